package bench

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// connectWithin bounds dialling, TLS and the MQTT handshake together.
const connectWithin = 30 * time.Second

// slot is a message in flight. A zero sent means that the slot is free.
type slot struct {
	sent time.Duration // since the start of the run, never 0
	k    int32
}

// conn is the connection of one device. It publishes messages 0 to count-1 in
// order. One goroutine reads; it and the pacer write.
type conn struct {
	gen    *generator
	d      int
	socket net.Conn
	allow  allowance
	// lowWater is how many bytes wake the reader; used by the reader only.
	lowWater int

	mu      sync.Mutex // guards what follows, and writes to socket
	granted int        // messages that may be sent by now
	sent    int
	acked   int
	nextID  uint16
	// slots[id & (len-1)] is the message with packet identifier id. There are at
	// least as many as may be in flight, in case PUBACKs come out of order.
	slots    []slot
	template []byte // a PUBLISH; its payload is the end
	idAt     int
	bodyAt   int
	out      []byte
	// samples[i] is when message i*sampleStep was written.
	samples []time.Duration
	lagMax  time.Duration
	// refused holds the indexes of messages that the broker refused.
	refused []int
}

// open connects device d.
func (g *generator) open(ctx context.Context, d int) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	socket, err := dial(ctx, g.cfg)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	hello := connect{
		protocol: g.cfg.Protocol,
		clientID: fmt.Sprintf("%s-%08x", deviceName(d), uint32(g.plan.run)),
		user:     g.cfg.User,
		password: g.cfg.Password,
	}
	allow, err := hello.handshake(socket)
	if err != nil {
		_ = socket.Close() // the cause is what matters
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return g.newConn(d, socket, allow), nil
}

func dial(ctx context.Context, cfg Config) (net.Conn, error) {
	if cfg.TLS != nil {
		return (&tls.Dialer{Config: cfg.TLS}).DialContext(ctx, "tcp", cfg.Address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", cfg.Address)
}

func (g *generator) newConn(d int, socket net.Conn, allow allowance) *conn {
	topic := g.cfg.Topic
	if g.cfg.OwnTopics {
		topic += "/" + deviceName(d)
	}
	payload := g.plan.payload(d)
	template, idAt := publishTemplate(g.cfg.Protocol, topic, payload)
	allow.inFlight = min(allow.inFlight, g.cfg.Window)
	size := 1
	for size < allow.inFlight {
		size *= 2
	}
	count := g.plan.count(d)
	return &conn{
		gen: g, d: d, socket: socket, allow: allow,
		slots:    make([]slot, size),
		template: template, idAt: idAt, bodyAt: len(template) - len(payload),
		samples: make([]time.Duration, (count+g.plan.sampleStep-1)/g.plan.sampleStep),
	}
}

// grant allows n more messages and sends what the window has room for. It may
// block while the broker does not read.
func (c *conn) grant(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.granted = min(c.granted+n, c.gen.plan.count(c.d))
	return c.pump(1)
}

// pump writes what is granted and fits into the window, if that is at least
// atLeast messages, in one write. The lock is held.
func (c *conn) pump(atLeast int) error {
	n := min(c.granted-c.sent, c.allow.inFlight-(c.sent-c.acked))
	if n < min(atLeast, c.granted-c.sent) || n <= 0 {
		return nil
	}
	now := c.gen.since()
	if c.gen.cfg.Rate > 0 {
		c.lagMax = max(c.lagMax, now-c.gen.due(c.d, c.sent))
	}
	c.out = c.out[:0]
	for range n {
		if !c.encode(now) {
			break
		}
	}
	_, err := c.socket.Write(c.out)
	return err
}

// encode appends the next PUBLISH to out; false when its packet identifier is
// still in use, which can only be after PUBACKs out of order.
func (c *conn) encode(now time.Duration) bool {
	id := c.nextID + 1
	if id == 0 {
		id = 1
	}
	s := &c.slots[int(id)&(len(c.slots)-1)]
	if s.sent != 0 {
		return false
	}
	c.nextID = id
	k := c.sent
	*s = slot{sent: now, k: int32(k)}
	binary.BigEndian.PutUint16(c.template[c.idAt:], id)
	c.gen.plan.fill(c.template[c.bodyAt:], c.d, k)
	c.out = append(c.out, c.template...)
	if k%c.gen.plan.sampleStep == 0 {
		c.samples[k/c.gen.plan.sampleStep] = now
	}
	c.sent++
	return true
}

// read handles the broker's answers until all messages are acknowledged.
func (c *conn) read() error {
	buf := make([]byte, 4*min(c.allow.inFlight, 256)+2*maxAnswer)
	var acks []ack
	have := 0
	for {
		if err := c.sleepUntilRefill(have); err != nil {
			return err
		}
		n, err := c.socket.Read(buf[have:])
		if err != nil {
			return err
		}
		var rest []byte
		acks, rest, err = parseAcks(buf[:have+n], acks[:0])
		if err != nil {
			return err
		}
		have = copy(buf, rest)
		if done, err := c.settle(acks); done || err != nil {
			return err
		}
	}
}

// minAck is the size of the shortest PUBACK in bytes.
const minAck = 4

// sleepUntilRefill lets the reader of a run at full speed sleep until so many
// PUBACKs have come that the window may be filled again, or all that are
// outstanding. have bytes of the next one are there already. The number hardly
// ever changes before the end of the run.
func (c *conn) sleepUntilRefill(have int) error {
	if c.gen.cfg.Rate > 0 {
		return nil
	}
	c.mu.Lock()
	acks := min(c.gen.refill(c.allow.inFlight), c.sent-c.acked)
	c.mu.Unlock()
	bytes := max(acks*minAck-have, 1)
	if bytes == c.lowWater {
		return nil
	}
	c.lowWater = bytes
	return setLowWater(c.socket, bytes)
}

// settle frees the slots of the acknowledged messages and sends the next ones;
// true when none is left.
func (c *conn) settle(acks []ack) (done bool, err error) {
	now := c.gen.since()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range acks {
		s := &c.slots[int(a.id)&(len(c.slots)-1)]
		if s.sent == 0 {
			return false, fmt.Errorf("PUBACK for packet identifier %d, which is not in use", a.id)
		}
		c.gen.ackLatency.add(now - s.sent)
		c.judge(a.code, int(s.k))
		*s = slot{}
		c.acked++
	}
	c.gen.acked.Add(int64(len(acks)))
	if c.acked == c.gen.plan.count(c.d) {
		return true, nil
	}
	return false, c.pump(c.gen.refill(c.allow.inFlight))
}

// judge counts a message that was acknowledged without full success. The only
// code between success and failure says that nobody receives it [MQTT 3.4.2.1].
func (c *conn) judge(code byte, k int) {
	switch {
	case code == 0:
	case code >= 0x80:
		c.refused = append(c.refused, c.d*c.gen.plan.stride+k)
	default:
		c.gen.unrouted.Add(1)
	}
}

// ping keeps the connection alive while nothing is sent.
func (c *conn) ping() error {
	if !c.mu.TryLock() {
		return nil // it is sending
	}
	defer c.mu.Unlock()
	_, err := c.socket.Write(packetPingreq)
	return err
}

// close ends the connection in order.
func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.socket.Write(packetDisconnect)
	return errors.Join(err, c.socket.Close())
}
