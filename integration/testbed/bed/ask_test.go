package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

// answering replies to every query but each third with the NSID "here", until the test ends.
func answering(t *testing.T) string {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for asked := 1; ; asked++ {
			_, client, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			message := reply(0, "here")
			copy(message, buffer[:2])
			if asked%3 > 0 {
				server.WriteTo(message, client)
			}
		}
	}()
	return server.LocalAddr().String()
}

func TestEveryQueryIsAccountedFor(t *testing.T) {
	var out strings.Builder
	l := &load{server: answering(t), transport: "udp", name: "www.example.", qtype: 1, rate: 300,
		duration: 100 * time.Millisecond, timeout: time.Second, window: 50 * time.Millisecond}
	if err := l.run(&out); err == nil {
		t.Error("losses must be an error")
	}
	if !strings.Contains(out.String(), "all  asked   30  answered here=20  lost timeout=10  slowest ") {
		t.Error(out.String())
	}
}

func TestARefusalIsToldFromSilence(t *testing.T) {
	var out strings.Builder
	l := &load{server: "127.0.0.1:1", transport: "tcp", name: "www.example.", qtype: 1, rate: 100,
		duration: 50 * time.Millisecond, timeout: time.Second, window: 50 * time.Millisecond}
	if err := l.run(&out); err == nil || !strings.HasSuffix(out.String(), "answered -  lost refused=5  slowest 0.0 ms\n") {
		t.Error(err, out.String())
	}
}
