package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Numbers of the DNS, from IANA's registries.
const (
	classIN    = 1
	typeOPT    = 41
	optionNSID = 3
)

var (
	types  = map[string]uint16{"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
	rcodes = map[byte]string{0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
)

// query asks one question, and who answers it (NSID, RFC 5001).
func query(id uint16, name string, qtype uint16) ([]byte, error) {
	message := binary.BigEndian.AppendUint16(nil, id)
	message = append(message, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1)
	for _, label := range strings.Split(strings.TrimSuffix(name, "."), ".") {
		if len(label) < 1 || len(label) > 63 {
			return nil, fmt.Errorf("%q has a label of %d octets", name, len(label))
		}
		message = append(append(message, byte(len(label))), label...)
	}
	message = append(message, 0, byte(qtype>>8), byte(qtype), 0, classIN)
	return append(message, 0, 0, typeOPT, 1232>>8, 1232&0xff, 0, 0, 0, 0, 0, 4, 0, optionNSID, 0, 0), nil
}

// answerer is who sent the reply: its NSID, and the rcode unless that is NOERROR.
func answerer(reply []byte, id uint16) (string, error) {
	r := reader{rest: reply}
	if r.uint16() != id {
		return "", errors.New("another id")
	}
	rcode := byte(r.uint16() & 15)
	questions := r.uint16()
	records := int(r.uint16()) + int(r.uint16()) + int(r.uint16())
	for range questions {
		r.name()
		r.take(4)
	}
	who := "no-nsid"
	for range records {
		r.name()
		rtype := r.uint16()
		r.take(6)
		data := reader{rest: r.take(int(r.uint16()))}
		for rtype == typeOPT && len(data.rest) > 0 {
			option, value := data.uint16(), data.take(int(data.uint16()))
			if option == optionNSID {
				who = string(value)
			}
		}
		r.short = r.short || data.short
	}
	if r.short {
		return "", errors.New("malformed reply")
	}
	if rcode != 0 {
		who += "/" + rcodes[rcode]
	}
	return who, nil
}

// reader takes a message apart; past its end it gives zeros, and short says so.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(count int) []byte {
	if count > len(r.rest) {
		r.rest, r.short = nil, true
		return nil
	}
	taken := r.rest[:count]
	r.rest = r.rest[count:]
	return taken
}

func (r *reader) uint16() uint16 {
	octets := r.take(2)
	if octets == nil {
		return 0
	}
	return binary.BigEndian.Uint16(octets)
}

// name skips a name: labels until the root, or a compression pointer (RFC 1035, section 4.1.4).
func (r *reader) name() {
	for {
		length := r.take(1)
		switch {
		case length == nil || length[0] == 0:
			return
		case length[0] >= 0xc0:
			r.take(1)
			return
		default:
			r.take(int(length[0]))
		}
	}
}
