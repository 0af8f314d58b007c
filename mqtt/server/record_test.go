package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/mqtt/server/wire"
)

// inOneRecord is a client that puts each write of up to 16 KiB into one record, as OpenSSL
// does.
func (s *site) inOneRecord(a *authority) *client {
	s.Helper()
	config := a.client("")
	config.DynamicRecordSizingDisabled = true
	c, conn := s.dial().over(config)
	if err := conn.Handshake(); err != nil {
		s.Fatal(err)
	}
	return c
}

func TestTLS_RecordLargerThanTheBuffer_IsReadWhole(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, sizes := range map[string][]int{
		"one message":                {5000},
		"one message, several reads": {40_000},
		"many messages":              {1000, 1000, 1000, 1000, 1000, 1000, 1000},
		"the largest record":         {16_000},
		"long and short":             {9000, 1, 9000, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, a.secure(""))
			c := s.inOneRecord(a)
			c.hello(hello{id: "a"})
			var want []string
			var b []byte
			for i, size := range sizes {
				want = append(want, strings.Repeat("x", size))
				b = append(b, c.message("data/a", want[i], uint16(i+1), 0)...)
			}
			c.write(b)
			c.acks(wire.Success, ids(1, len(sizes))...)
			s.stores(want...)
		})
	}
}

// A client need not wait for CONNACK [MQTT 3.1.4].
func TestTLS_ConnectAndMessagesInOneRecord(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSite(t, a.secure(""))
	c := s.inOneRecord(a)
	payload := strings.Repeat("x", 3000)
	b := bytes.Join([][]byte{hello{id: "a"}.packet(), c.message("data/a", payload, 1, 0), c.message("data/a", payload, 2, 0)}, nil)
	c.write(b)
	if first, body := c.packet(); first != 0x20 || body[1] != 0 {
		t.Fatalf("packet %x %x, want CONNACK", first, body)
	}
	c.acks(wire.Success, 1, 2)
	s.stores(payload, payload)
}

// A record without content, which TLS 1.3 forbids, ends the connection.
func TestTLS_RecordWithoutContent_EndsTheConnection(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := newSite(t, a.secure(""))
	for name, known := range map[string]bool{"before CONNECT": false, "after it": true} {
		c, conn := s.dial().over(a.client(""))
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if known {
			c.hello(hello{id: "a"})
		}
		if _, err := conn.NetConn().Write([]byte{23, 3, 3, 0, 0}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.next(patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: got %v, want the end of the connection", name, err)
		}
	}
}

// corked is a connection that keeps what is written to it until it is let go, so that it
// all arrives at once.
type corked struct {
	net.Conn

	held []byte
	cork bool
}

func (c *corked) Write(p []byte) (int, error) {
	if !c.cork {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

func (c *corked) release() error {
	_ = c.SetWriteDeadline(time.Time{}) // the end of TLS lets nothing be written any more
	_, err := c.Conn.Write(c.held)
	return err
}

// What comes together with the end of TLS counts: a message is stored, and a client that
// said goodbye is not lost.
func TestTLS_GoodbyeTogetherWithTheEnd_IsHeard(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, a.secure(""))
			config := a.client("")
			config.MaxVersion = version
			c := s.dial()
			wire := &corked{Conn: c.Conn}
			c.Conn = wire
			c, conn := c.over(config)
			c.hello(hello{id: "a", will: &testWill{topic: "lwt/a", payload: lwtOf(t, "a", 100)}})
			wire.cork = true
			c.write(append(c.message("data/a", "last", 1, 0), 0xe0, 0))
			if err := errors.Join(conn.CloseWrite(), wire.release()); err != nil {
				t.Fatal(err)
			}
			s.stores("last")
			awaitStats(t, s.server, func(st Stats) bool { return st.Connections == 0 })
			if st := s.server.Stats(); st.Wills+st.Lost != 0 {
				t.Errorf("%d wills, %d lost connections, want none", st.Wills, st.Lost)
			}
		})
	}
}
