package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// load is an open loop: queries leave on time whatever becomes of those before, each from a socket of its own, as stubs do.
type load struct {
	server, transport, name string
	qtype                   uint16
	rate                    int
	duration, timeout       time.Duration
	window                  time.Duration
	json                    bool
	port                    atomic.Uint32
}

// outcome is what became of a query.
type outcome struct {
	asked time.Duration // since the start
	took  time.Duration // until its answer, if one came
	who   string        // who answered, if anyone did
	lost  string        // why no answer came, otherwise
}

// window is what became of the queries that were asked within it.
type window struct {
	Label    string         `json:"label,omitempty"` // of the last line only
	Start    float64        `json:"start"`           // seconds since the first query
	Asked    int            `json:"asked"`
	Answered map[string]int `json:"answered"`
	Lost     map[string]int `json:"lost"`
	Slowest  float64        `json:"slowest"` // seconds until the last of the answers
}

// ask prints a line for every window, and a last one for all; lost queries are an error.
func ask(arguments []string) error {
	l := &load{}
	flags := flag.NewFlagSet("ask", flag.ExitOnError)
	flags.StringVar(&l.server, "server", net.JoinHostPort(dnsIPv4, "53"), "address and port to ask")
	flags.StringVar(&l.transport, "transport", "udp", "udp or tcp")
	flags.StringVar(&l.name, "name", "kubernetes.default.svc.cluster.local.", "qname")
	qtype := flags.String("type", "A", "qtype: A, AAAA, PTR, SRV or TXT")
	flags.IntVar(&l.rate, "rate", 100, "queries per second")
	flags.DurationVar(&l.duration, "for", 10*time.Second, "how long")
	flags.DurationVar(&l.timeout, "timeout", 5*time.Second, "after which a query is lost; a stub asks again after 5 s")
	flags.DurationVar(&l.window, "window", 100*time.Millisecond, "what one line covers")
	flags.BoolVar(&l.json, "json", false, "print JSON")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	l.qtype = types[*qtype]
	if l.qtype == 0 || l.rate < 1 || l.window <= 0 || (l.transport != "udp" && l.transport != "tcp") {
		return errors.New("a flag has no sense; see --help")
	}
	if _, err := query(0, l.name, l.qtype); err != nil {
		return err
	}
	return l.run(os.Stdout)
}

func (l *load) run(out io.Writer) error {
	total := int(l.duration.Seconds() * float64(l.rate))
	outcomes := make(chan outcome, total)
	// A flow keeps its translation, so no source port may come twice within a minute, nor in the next run.
	l.port.Store(uint32(time.Now().Unix() * 1000 % 50_000))
	start := time.Now()
	go func() {
		for i := range total {
			due := time.Duration(i) * time.Second / time.Duration(l.rate)
			time.Sleep(time.Until(start.Add(due)))
			go func() { outcomes <- l.one(uint16(i), time.Since(start)) }()
		}
	}()
	windows := map[int]*window{}
	all := &window{Label: "all", Answered: map[string]int{}, Lost: map[string]int{}}
	next := 0
	for range total {
		o := <-outcomes
		at := int(o.asked / l.window)
		if windows[at] == nil {
			windows[at] = &window{Start: (time.Duration(at) * l.window).Seconds(), Answered: map[string]int{}, Lost: map[string]int{}}
		}
		windows[at].add(o)
		all.add(o)
		// Whatever was asked in a window has had its answer or its timeout by then.
		for last := int((time.Since(start) - l.timeout - l.window) / l.window); next < last; next++ {
			l.print(out, windows[next])
		}
	}
	for _, at := range slices.Sorted(maps.Keys(windows)) {
		if at >= next {
			l.print(out, windows[at])
		}
	}
	l.print(out, all)
	if len(all.Lost) > 0 {
		return errors.New("queries were lost")
	}
	return nil
}

func (w *window) add(o outcome) {
	w.Asked++
	if o.lost != "" {
		w.Lost[o.lost]++
	} else {
		w.Answered[o.who]++
		w.Slowest = max(w.Slowest, o.took.Seconds())
	}
}

func (l *load) print(out io.Writer, w *window) {
	if w == nil {
		return
	}
	if l.json {
		// Maps of strings and numbers, written to a terminal or a file: there is nothing to go wrong that the reader would not see.
		text, _ := json.Marshal(w)
		fmt.Fprintf(out, "%s\n", text)
		return
	}
	label := w.Label
	if label == "" {
		label = fmt.Sprintf("%.1f s", w.Start)
	}
	fmt.Fprintf(out, "%8s  asked %4d  answered%s  lost%s  slowest %.1f ms\n", label, w.Asked, counts(w.Answered), counts(w.Lost), w.Slowest*1000)
}

func counts(counted map[string]int) string {
	if len(counted) == 0 {
		return " -"
	}
	text := ""
	for _, name := range slices.Sorted(maps.Keys(counted)) {
		text += fmt.Sprintf(" %s=%d", name, counted[name])
	}
	return text
}

// one asks a single query.
func (l *load) one(id uint16, asked time.Duration) outcome {
	o := outcome{asked: asked}
	begun := time.Now()
	who, err := l.exchange(id)
	var network net.Error
	switch {
	case err == nil:
		o.who, o.took = who, time.Since(begun)
	case errors.As(err, &network) && network.Timeout():
		o.lost = "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		o.lost = "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		o.lost = "closed"
	case errors.Is(err, syscall.EHOSTUNREACH):
		o.lost = "unreachable"
	default:
		o.lost = strings.ReplaceAll(err.Error(), " ", "_")
	}
	return o
}

func (l *load) exchange(id uint16) (string, error) {
	message, err := query(id, l.name, l.qtype)
	if err != nil {
		return "", err
	}
	deadline := time.Now().Add(l.timeout)
	connection, err := l.dial(deadline)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(deadline); err != nil {
		return "", err
	}
	if l.transport == "tcp" {
		message = append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	}
	if _, err := connection.Write(message); err != nil {
		return "", err
	}
	reply := make([]byte, 65_535)
	length := 0
	if l.transport == "tcp" {
		if _, err = io.ReadFull(connection, reply[:2]); err == nil {
			length, err = io.ReadFull(connection, reply[:binary.BigEndian.Uint16(reply)])
		}
	} else {
		length, err = connection.Read(reply)
	}
	if err != nil {
		return "", err
	}
	return answerer(reply[:length], id)
}

// dial takes the next source port that is free.
func (l *load) dial(deadline time.Time) (net.Conn, error) {
	for {
		dialer := net.Dialer{Deadline: deadline}
		port := 10_000 + int(l.port.Add(1)%50_000)
		if l.transport == "tcp" {
			dialer.LocalAddr = &net.TCPAddr{Port: port}
		} else {
			dialer.LocalAddr = &net.UDPAddr{Port: port}
		}
		connection, err := dialer.Dial(l.transport, l.server)
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return connection, err
		}
	}
}
