package hostiletest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// errEnded is the end of a connection that something was awaited on.
var errEnded = errors.New("the connection has ended")

// client is a connection that speaks MQTT byte by byte, over TLS. A goroutine reads,
// acknowledges what is delivered, and ends with the connection.
type client struct {
	testing.TB
	*tls.Conn

	version byte
	answers chan []byte // whole packets that are no PUBLISH, first byte and body
	ended   chan struct{}
	heard   func(delivery) // called by the reader

	writing sync.Mutex
	id      uint16 // of the last packet that wanted one
}

// dial opens a connection with a certificate and sends no CONNECT yet. The error is that
// of the handshake.
func (s *site) dial(as string) (*client, error) {
	conn, err := s.tcp()
	if err != nil {
		return nil, err
	}
	t := tls.Client(conn, s.tls[as])
	_ = conn.SetDeadline(time.Now().Add(patience)) // fails only as the handshake will
	if err := t.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	c := &client{TB: s.T, Conn: t, answers: make(chan []byte, 1000), ended: make(chan struct{}), heard: func(delivery) {}}
	return c, nil
}

// tcp opens a connection without TLS.
func (s *site) tcp() (net.Conn, error) {
	return (&net.Dialer{Timeout: patience, KeepAlive: -1}).Dial("tcp", s.address)
}

// greet sends a CONNECT, begins to read and returns the reason of CONNACK. errEnded:
// there was none.
func (c *client) greet(h hello) (byte, error) {
	c.version = h.version
	if err := c.send(h.packet()); err != nil {
		close(c.ended)
		return 0, errEnded
	}
	go c.read()
	answer, err := c.answer(0x20)
	if err != nil {
		return 0, err
	}
	return answer[2], nil
}

// as is a login with the user's own certificate, name and password.
func (s *site) as(user string, version byte) hello {
	return hello{version: version, id: user, user: user, password: s.passwords[user]}
}

// login connects by user's own certificate, and fails the test when it is refused.
func (s *site) login(h hello, heard func(delivery)) *client {
	s.Helper()
	c, err := s.dial(h.user)
	must(s, err)
	if heard != nil {
		c.heard = heard
	}
	if code, err := c.greet(h); err != nil || code != 0 {
		c.Close()
		s.Fatalf("%s: CONNACK %#x, %v", h.user, code, err)
	}
	return c
}

func (c *client) read() {
	defer close(c.ended)
	var buf []byte
	chunk := make([]byte, 16<<10)
	for {
		n, err := c.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			first, body, rest, ok := cut(buf)
			if !ok {
				break
			}
			buf = rest
			c.take(first, body)
		}
		if err != nil {
			return
		}
	}
}

// take keeps an answer or a delivery. Answers that nobody waits for are dropped.
func (c *client) take(first byte, body []byte) {
	if first>>4 == 3 {
		d := parseDelivery(c.version, first, body)
		if d.id != nil {
			_ = c.send(puback(d.id)) // the read will fail, too
		}
		c.heard(d)
		return
	}
	select {
	case c.answers <- append([]byte{first}, body...):
	default:
	}
}

// answer waits for a packet of a kind; others are skipped.
func (c *client) answer(first byte) ([]byte, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case p := <-c.answers:
			if p[0] == first {
				return p, nil
			}
			continue
		default:
		}
		select {
		case p := <-c.answers:
			if p[0] == first {
				return p, nil
			}
		case <-c.ended:
			if len(c.answers) == 0 {
				return nil, errEnded
			}
		case <-timeout.C:
			return nil, fmt.Errorf("no packet %#x within %v", first, patience)
		}
	}
}

// send writes whole packets. Safe for concurrent use.
func (c *client) send(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.SetWriteDeadline(time.Now().Add(patience)) // fails only as the write will
	_, err := c.Write(b)
	return err
}

// publish sends a message of QoS 1 and returns the reason of PUBACK; errEnded: there was
// none.
func (c *client) publish(topic string, payload []byte) (byte, error) {
	return c.put(publication{topic: topic, payload: payload, qos: 1})
}

// put does so with any message of QoS 1, whose packet id it chooses.
func (c *client) put(p publication) (byte, error) {
	c.id++
	p.id = c.id
	if err := c.send(p.packet(c.version)); err != nil {
		return 0, errEnded
	}
	answer, err := c.answer(0x40)
	if err != nil || len(answer) < 4 {
		return 0, err
	}
	return answer[3], nil
}

// subscribe returns the reason of SUBACK; errEnded: there was none.
func (c *client) subscribe(filter string) (byte, error) {
	c.id++
	if err := c.send(subscribe(c.version, c.id, filter)); err != nil {
		return 0, errEnded
	}
	answer, err := c.answer(0x90)
	if err != nil {
		return 0, err
	}
	return answer[len(answer)-1], nil
}

// ping returns when everything that was sent before has been looked at.
func (c *client) ping() error {
	if err := c.send([]byte{0xC0, 0}); err != nil {
		return errEnded
	}
	_, err := c.answer(0xD0)
	return err
}

// leave says goodbye, so that no last will applies.
func (c *client) leave() {
	_ = c.send([]byte{0xE0, 0}) // who is gone already needs none
	c.hangUp()
}

// hangUp ends the connection without the farewell of MQTT and of TLS.
func (c *client) hangUp() {
	tcp := c.NetConn().(*net.TCPConn)
	_ = tcp.CloseWrite() // what was sent arrives
	_ = tcp.SetReadDeadline(time.Now().Add(5 * time.Second))
	<-c.ended
	tcp.Close()
}

// reset ends it as a broken wire does.
func (c *client) reset() {
	tcp := c.NetConn().(*net.TCPConn)
	_ = tcp.SetLinger(0) // the close says all there is to say
	tcp.Close()
	<-c.ended
}

// cutOff tells whether the server ends the connection in time.
func (c *client) cutOff() bool {
	select {
	case <-c.ended:
		return true
	case <-time.After(patience):
		return false
	}
}
