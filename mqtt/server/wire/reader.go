package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"unicode/utf8"
)

// reader takes the fields of a packet off its body. The first failure stays in
// err and later calls return zeroes, so that a parser checks once. The hot path,
// PUBLISH, uses it too: it stays on the stack.
type reader struct {
	b    []byte // what has not been read
	kind Type
	err  error
}

func newReader(v Version, p Packet, want Type) reader {
	r := reader{b: p.Body, kind: want}
	switch {
	case p.Type != want:
		r.err = violation("", "%v where %v is read", p.Type, want)
	case p.Padded && v == V5:
		r.err = errPadded(want)
	}
	return r
}

func errPadded(t Type) error {
	return malformed("MQTT-1.5.5-1", "%v with a remaining length of more bytes than needed", t)
}

// fail keeps the first error; nil is none.
func (r *reader) fail(err error) {
	if err != nil && r.err == nil {
		r.err, r.b = err, nil
	}
}

func (r *reader) short(field string) {
	r.fail(malformed("", "%v ends within its %s", r.kind, field))
}

func (r *reader) uint8(field string) byte {
	if len(r.b) < 1 {
		r.short(field)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uint16(field string) uint16 {
	if len(r.b) < 2 {
		r.short(field)
		return 0
	}
	v := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return v
}

func (r *reader) uint32(field string) uint32 {
	if len(r.b) < 4 {
		r.short(field)
		return 0
	}
	v := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

func (r *reader) varint(field string) uint32 {
	v, width, ok := varint(r.b)
	switch {
	case !ok && len(r.b) >= maxVarint:
		r.fail(malformed("", "%v with a %s of more than four bytes", r.kind, field))
		return 0
	case !ok:
		r.short(field)
		return 0
	case padded(v, width):
		r.fail(malformed("MQTT-1.5.5-1", "%v with a %s of more bytes than needed", r.kind, field))
		return 0
	}
	r.b = r.b[width:]
	return v
}

// binary reads a length of two bytes and as many bytes [MQTT 1.5.6]; the value
// is a part of the body.
func (r *reader) binary(field string) []byte {
	if len(r.b) < 2 {
		r.short(field)
		return nil
	}
	n := 2 + int(binary.BigEndian.Uint16(r.b))
	if len(r.b) < n {
		r.short(field)
		return nil
	}
	v := r.b[2:n:n]
	r.b = r.b[n:]
	return v
}

// utf8 reads a string [MQTT 1.5.4]. statement is that which says that this field
// is one, "" for the general rule.
func (r *reader) utf8(field, statement string) []byte {
	s := r.binary(field)
	if err := checkUTF8(s, field, statement); err != nil {
		r.fail(err)
		return nil
	}
	return s
}

// packetID reads a packet identifier, which is never 0.
func (r *reader) packetID(statement string) uint16 {
	id := r.uint16("packet identifier")
	if id == 0 && r.err == nil {
		r.fail(violation(statement, "%v with packet identifier 0", r.kind))
	}
	return id
}

// end refuses what is left over.
func (r *reader) end() error {
	if len(r.b) > 0 {
		r.fail(malformed("", "%v with %d bytes left over", r.kind, len(r.b)))
	}
	return r.err
}

// checkUTF8 refuses ill-formed UTF-8, which includes surrogates, and U+0000.
func checkUTF8(s []byte, field, statement string) error {
	switch {
	case !utf8.Valid(s):
		return malformed(cmp.Or(statement, "MQTT-1.5.4-1"), "the %s is not UTF-8", field)
	case bytes.IndexByte(s, 0) >= 0:
		return malformed("MQTT-1.5.4-2", "the %s contains U+0000", field)
	}
	return nil
}
