package main

import (
	"bytes"
	"testing"
)

// reply answers a query from query() with this rcode; id 7, one CNAME whose owner is a pointer, and an OPT with this NSID.
func reply(rcode byte, nsid string) []byte {
	message := []byte{0, 7, 0x81, 0x80 | rcode, 0, 1, 0, 1, 0, 0, 0, 1}
	message = append(message, "\x03www\x07example\x00\x00\x01\x00\x01"...)
	message = append(message, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 30, 0, 2, 0xc0, 16)
	message = append(message, 0, 0, typeOPT, 4, 0xd0, 0, 0, 0, 0, 0, byte(8+len(nsid)), 0, 10, 0, 0, 0, optionNSID, 0, byte(len(nsid)))
	return append(message, nsid...)
}

func TestAReplySaysWhoAnswered(t *testing.T) {
	for want, message := range map[string][]byte{"doorstep-x7": reply(0, "doorstep-x7"), "doorstep-x7/SERVFAIL": reply(2, "doorstep-x7")} {
		if who, err := answerer(message, 7); err != nil || who != want {
			t.Errorf("%q, %v; not %q", who, err, want)
		}
	}
}

func TestAReplyToAnotherQueryIsRefused(t *testing.T) {
	if who, err := answerer(reply(0, "x"), 8); err == nil {
		t.Errorf("took the answer of %q", who)
	}
}

func TestEveryTruncationIsMalformed(t *testing.T) {
	whole := reply(0, "doorstep-x7")
	for length := range whole {
		if who, err := answerer(whole[:length], 7); err == nil {
			t.Errorf("%d octets of %d gave %q", length, len(whole), who)
		}
	}
}

func TestAQueryAsksForTheNSID(t *testing.T) {
	message, err := query(7, "www.example.", types["AAAA"])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(message, []byte("\x03www\x07example\x00\x00\x1c\x00\x01")) || !bytes.HasSuffix(message, []byte{0, optionNSID, 0, 0}) {
		t.Errorf("%x", message)
	}
	if _, err := query(7, "www..example.", 1); err == nil {
		t.Error("took an empty label")
	}
}
