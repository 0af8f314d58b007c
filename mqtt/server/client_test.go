package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/mqtt/server/wire"
)

// hello is a CONNECT as a test writes it.
type hello struct {
	version    wire.Version // 0: V5
	id         string
	clean      bool
	keepalive  uint16
	user       string
	password   string
	properties []byte // v5, without length
	will       *testWill
}

type testWill struct {
	topic      string
	payload    []byte
	qos        byte
	retain     bool
	properties []byte
}

// Properties that tests use.
func expires(seconds uint32) []byte   { return binary.BigEndian.AppendUint32([]byte{0x11}, seconds) }
func receives(most uint16) []byte     { return binary.BigEndian.AppendUint16([]byte{0x21}, most) }
func willDelay(seconds uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0x18}, seconds) }
func maxPacket(bytes uint32) []byte   { return binary.BigEndian.AppendUint32([]byte{0x27}, bytes) }

func str(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func varint(b []byte, n int) []byte {
	for ; n >= 128; n /= 128 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func packet(first byte, body []byte) []byte { return append(varint([]byte{first}, len(body)), body...) }

func (h hello) packet() []byte {
	v, flags := h.version, byte(0)
	if v == 0 {
		v = wire.V5
	}
	if h.clean {
		flags |= 0x02
	}
	if h.user != "" {
		flags |= 0x80
	}
	if h.password != "" {
		flags |= 0x40
	}
	if w := h.will; w != nil {
		flags |= 0x04 | w.qos<<3
		if w.retain {
			flags |= 0x20
		}
	}
	b := append(str(nil, "MQTT"), byte(v), flags)
	b = binary.BigEndian.AppendUint16(b, h.keepalive)
	if v == wire.V5 {
		b = append(varint(b, len(h.properties)), h.properties...)
	}
	b = str(b, h.id)
	if w := h.will; w != nil {
		if v == wire.V5 {
			b = append(varint(b, len(w.properties)), w.properties...)
		}
		b = str(str(b, w.topic), string(w.payload))
	}
	if h.user != "" {
		b = str(b, h.user)
	}
	if h.password != "" {
		b = str(b, h.password)
	}
	return packet(0x10, b)
}

// client speaks MQTT byte by byte.
type client struct {
	testing.TB
	net.Conn

	version wire.Version
	present bool // session
	connack []byte
	buf     []byte
	id      uint16
}

// dial opens a connection without a CONNECT.
func (s *site) dial() *client {
	s.Helper()
	conn, err := net.Dial("tcp", s.server.Addr(0).String())
	if err != nil {
		s.Fatal(err)
	}
	c := &client{TB: s, Conn: conn, version: wire.V5}
	s.Cleanup(func() { conn.Close() })
	return c
}

// connect connects, and fails the test when it is refused.
func (s *site) connect(h hello) *client {
	s.Helper()
	c := s.dial()
	if reason := c.hello(h); reason != 0 {
		s.Fatalf("CONNACK with %v", reason)
	}
	return c
}

// hello sends a CONNECT and returns the CONNACK's reason or return code.
func (c *client) hello(h hello) wire.Reason {
	c.Helper()
	if h.version != 0 {
		c.version = h.version
	}
	c.write(h.packet())
	first, body := c.packet()
	if first != 0x20 {
		c.Fatalf("packet %x for a CONNACK", first)
	}
	c.present, c.connack = body[0] == 1, body
	return wire.Reason(body[1])
}

func (c *client) write(b []byte) {
	c.Helper()
	c.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.Write(b); err != nil {
		c.Fatal(err)
	}
}

// packet returns the next packet; the test fails when there is none.
func (c *client) packet() (first byte, body []byte) {
	c.Helper()
	first, body, err := c.next(patience)
	if err != nil {
		c.Fatal(err)
	}
	return first, body
}

func (c *client) next(within time.Duration) (first byte, body []byte, err error) {
	c.SetReadDeadline(time.Now().Add(within))
	for {
		if first, body, ok := c.cut(); ok {
			return first, body, nil
		}
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			return 0, nil, err
		}
		c.buf = append(c.buf, b[:n]...)
	}
}

// cut takes a whole packet off the buffer.
func (c *client) cut() (first byte, body []byte, ok bool) {
	n, width := 0, 1
	for more := true; more; width++ {
		if width >= len(c.buf) {
			return 0, nil, false
		}
		n |= int(c.buf[width]&0x7f) << (7 * (width - 1))
		more = c.buf[width] >= 0x80
	}
	if len(c.buf) < width+n {
		return 0, nil, false
	}
	first, body = c.buf[0], slices.Clone(c.buf[width:width+n])
	c.buf = c.buf[width+n:]
	return first, body, true
}

// ends waits for the end of the connection and returns the reason of DISCONNECT,
// 0xFF when there was none; other packets are skipped.
func (c *client) ends() wire.Reason {
	c.Helper()
	reason := wire.Reason(0xFF)
	for {
		first, body, err := c.next(patience)
		switch {
		case err == nil && first == 0xE0:
			reason = wire.Reason(0)
			if len(body) > 0 {
				reason = wire.Reason(body[0])
			}
		case errors.Is(err, io.EOF), err != nil && strings.Contains(err.Error(), "reset"):
			return reason
		case err != nil:
			c.Fatal(err)
		}
	}
}

// publish sends QoS 1 messages in one write and returns the packet id of the first.
func (c *client) publish(topic string, payloads ...string) (first uint16) {
	c.Helper()
	first = c.id + 1
	var b []byte
	for _, p := range payloads {
		c.id++
		b = append(b, c.message(topic, p, c.id, 0)...)
	}
	c.write(b)
	return first
}

func (c *client) message(topic, payload string, id uint16, flags byte) []byte {
	b := binary.BigEndian.AppendUint16(str(nil, topic), id)
	if c.version == wire.V5 {
		b = append(b, 0)
	}
	return packet(0x32|flags, append(b, payload...))
}

// publish0 sends a QoS 0 message.
func (c *client) publish0(topic, payload string) {
	c.Helper()
	b := str(nil, topic)
	if c.version == wire.V5 {
		b = append(b, 0)
	}
	c.write(packet(0x30, append(b, payload...)))
}

// acks wants the PUBACKs of these ids, in order, with this reason.
func (c *client) acks(reason wire.Reason, ids ...uint16) {
	c.Helper()
	for _, id := range ids {
		first, body := c.packet()
		got := wire.Reason(0)
		if len(body) > 2 {
			got = wire.Reason(body[2])
		}
		if first != 0x40 || binary.BigEndian.Uint16(body) != id || got != reason {
			c.Fatalf("packet %x %x, want PUBACK %d with %v", first, body, id, reason)
		}
	}
}

// ping waits for a PINGRESP, which nothing overtakes.
func (c *client) ping() {
	c.Helper()
	c.write([]byte{0xC0, 0})
	if first, body := c.packet(); first != 0xD0 {
		c.Fatalf("packet %x %x, want PINGRESP", first, body)
	}
}

// subscribe subscribes and returns the reason.
func (c *client) subscribe(filter string, options byte) wire.Reason {
	c.Helper()
	c.id++
	b := binary.BigEndian.AppendUint16(nil, c.id)
	if c.version == wire.V5 {
		b = append(b, 0)
	}
	c.write(packet(0x82, append(str(b, filter), options)))
	first, body := c.packet()
	if first != 0x90 {
		c.Fatalf("packet %x, want SUBACK", first)
	}
	return wire.Reason(body[len(body)-1])
}

// receives wants a message.
func (c *client) receives(topic, payload string) (id uint16) {
	c.Helper()
	first, body := c.packet()
	if first>>4 != 3 {
		c.Fatalf("packet %x %x, want PUBLISH", first, body)
	}
	n := int(binary.BigEndian.Uint16(body))
	got, rest := string(body[2:2+n]), body[2+n:]
	if first&6 != 0 {
		id, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	if c.version == wire.V5 {
		rest = rest[1+int(rest[0]):]
	}
	if got != topic || string(rest) != payload {
		c.Fatalf("got %q on %s, want %q on %s", rest, got, payload, topic)
	}
	return id
}

// CloseWrite ends the sending side.
func (c *client) CloseWrite() { c.Conn.(*net.TCPConn).CloseWrite() }

func (c *client) disconnect() {
	c.Helper()
	c.write([]byte{0xE0, 0})
	c.ends()
}

// ids are n packet ids from first on.
func ids(first uint16, n int) (all []uint16) {
	for i := range n {
		all = append(all, first+uint16(i))
	}
	return all
}
