package mqtt

import (
	"fmt"
	"io"

	"github.com/eclipse/paho.golang/packets"
)

const (
	// readBuffer is the size of the read buffer; one read brings at most this.
	readBuffer = 256 << 10
	// maxControl is the largest packet accepted that is not a PUBLISH.
	maxControl = 1 << 20
	// maxHead is what is kept of a PUBLISH beside its payload, where the
	// payload is cut: the longest topic and generous properties.
	maxHead = 256 << 10
)

// splitter cuts the byte stream of a broker into packets. One goroutine uses it.
type splitter struct {
	buf  []byte
	r, w int // buf[r:w] is read and not yet split
	skip int // bytes of a cut packet still to be passed over
	// maxPayload, when positive, cuts a PUBLISH whose payload is longer.
	maxPayload int
}

// packet is one MQTT packet. Its bytes are valid until the next fill.
type packet struct {
	header byte   // first byte: type and flags
	raw    []byte // the whole packet
	body   []byte // what follows the remaining length
	cut    bool   // body is only the beginning
}

func newSplitter(maxPayload int) *splitter {
	return &splitter{buf: make([]byte, readBuffer), maxPayload: maxPayload}
}

// fill reads once, as much as there is room for. full tells that the read
// brought all it had room for, so that more is surely waiting.
func (s *splitter) fill(from io.Reader) (full bool, err error) {
	s.makeRoom()
	n, err := from.Read(s.buf[s.w:])
	s.w += n
	if n > 0 { // an error beside bytes comes again with the next read
		return s.w == len(s.buf), nil
	}
	return false, err
}

// makeRoom moves what is left of the last read to the front. A buffer filled by
// one packet doubles, so memory follows what has really arrived and not what a
// header claims; it shrinks again when that packet is done.
func (s *splitter) makeRoom() {
	left := s.w - s.r
	switch {
	case left == len(s.buf):
		s.move(2 * len(s.buf))
	case len(s.buf) > readBuffer && left <= readBuffer/2:
		s.move(readBuffer)
	case s.r > 0:
		s.move(len(s.buf))
	}
}

func (s *splitter) move(size int) {
	to := s.buf
	if size != len(s.buf) {
		to = make([]byte, size)
	}
	s.w = copy(to, s.buf[s.r:s.w])
	s.buf, s.r = to, 0
}

// next splits the next packet off; ok is false when it has not arrived whole.
func (s *splitter) next() (p packet, ok bool, err error) {
	s.passOver()
	b := s.buf[s.r:s.w]
	if s.skip > 0 || len(b) < 2 {
		return p, false, nil
	}
	size, rest, ok := takeVarint(b[1:])
	if !ok {
		if len(b) > maxVarint {
			return p, false, malformed("remaining length of more than four bytes [MQTT 1.5.5]")
		}
		return p, false, nil
	}
	p.header = b[0]
	head, body := len(b)-len(rest), int(size)
	if err := s.checkSize(p.header, body); err != nil {
		return p, false, err
	}
	if limit := maxHead + s.maxPayload; s.maxPayload > 0 && body > limit {
		p.cut, s.skip, body = true, body-limit, limit
	}
	if len(rest) < body {
		s.skip = 0 // not yet
		return p, false, nil
	}
	p.raw, p.body = b[:head+body], rest[:body:body]
	s.r += head + body
	return p, true, nil
}

// passOver drops what has arrived of the rest of a cut packet.
func (s *splitter) passOver() {
	n := min(s.skip, s.w-s.r)
	s.r, s.skip = s.r+n, s.skip-n
}

func (s *splitter) checkSize(header byte, size int) error {
	if header>>4 != packets.PUBLISH && size > maxControl {
		return &protocolError{codePacketTooLarge, fmt.Sprintf("packet of type %d with %d bytes", header>>4, size)}
	}
	return nil
}
