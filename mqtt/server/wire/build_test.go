package wire

import (
	"errors"
	"testing"
)

// Packets are built here from their parts, by code that shares nothing with the
// package: strings stand for bytes.

// pkt is a packet of a first byte and the parts of its body, at most 16383 bytes.
func pkt(first byte, parts ...string) string {
	body := cat(parts...)
	return string([]byte{first}) + length(len(body)) + body
}

// length is a variable byte integer up to 16383.
func length(n int) string {
	if n < 128 {
		return string([]byte{byte(n)})
	}
	return string([]byte{byte(n%128) | 0x80, byte(n / 128)})
}

// str is a string or binary data behind its length of two bytes.
func str(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }

// props are properties behind their length.
func props(parts ...string) string {
	body := cat(parts...)
	return length(len(body)) + body
}

func cat(parts ...string) (s string) {
	for _, p := range parts {
		s += p
	}
	return s
}

// mustSplit takes the one packet out of raw.
func mustSplit(t testing.TB, raw []byte) Packet {
	t.Helper()
	p, size, err := Split(raw, MaxPacket)
	if err != nil || size != len(raw) {
		t.Fatalf("Split(% x): %d bytes, %v; want one whole packet", raw, size, err)
	}
	return p
}

// parse reads raw by the function for its type.
func parse(t testing.TB, v Version, raw string) (any, error) {
	t.Helper()
	p, size, err := Split([]byte(raw), MaxPacket)
	if err != nil {
		return nil, err
	}
	if size != len(raw) {
		t.Fatalf("the packet has %d of %d bytes", size, len(raw))
	}
	return parsePacket(v, p)
}

func parsePacket(v Version, p Packet) (any, error) {
	switch p.Type {
	case CONNECT:
		return result(ParseConnect(p))
	case PUBLISH:
		var m Publish
		err := ParsePublish(v, p, &m)
		return result(m, err)
	case PUBACK:
		return result(ParsePuback(v, p))
	case SUBSCRIBE:
		return result(ParseSubscribe(v, p))
	case UNSUBSCRIBE:
		return result(ParseUnsubscribe(v, p))
	case PINGREQ:
		return nil, ParsePingreq(v, p)
	case DISCONNECT:
		return result(ParseDisconnect(v, p))
	}
	return nil, Unexpected(v, p.Type, false)
}

func result[T any](v T, err error) (any, error) { return v, err }

// badCase is a packet that must be refused. Its name begins with the statement
// in brackets, or says the rule that has no number.
type badCase struct {
	name string
	v    Version
	raw  string
	want Reason
}

// refuseAll checks reason and statement of each case.
func refuseAll(t *testing.T, cases []badCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(t, c.v, c.raw)
			checkRefusal(t, c.name, err, c.want)
			if t.Failed() {
				t.Logf("% x gives %+v", c.raw, got)
			}
		})
	}
}

func checkRefusal(t *testing.T, name string, err error, want Reason) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *Error", err)
	}
	if e.Reason != want {
		t.Errorf("got %v (%v), want reason %v", e.Reason, e, want)
	}
	if statement := statementOf(name); e.Statement != statement {
		t.Errorf("got statement %q (%v), want %q", e.Statement, e, statement)
	}
}

// statementOf is what a test's name has in brackets at its beginning.
func statementOf(name string) string {
	if name[0] != '[' {
		return ""
	}
	for i := range name {
		if name[i] == ']' {
			return name[1:i]
		}
	}
	return ""
}
