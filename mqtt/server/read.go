package server

import (
	"errors"
	"slices"
	"sync"
	"time"

	"sluice/mqtt/server/wire"
)

// errStopped ends a reader whose connection was ended by others.
var errStopped = errors.New("connection ended")

// read handles what the client sends until the connection ends. It returns why.
func (c *connection) read() error {
	if err := c.leftover(); err != nil {
		return err
	}
	for {
		if err := c.admitted(); err != nil {
			return err
		}
		if err := c.readOnce(); err != nil {
			return err
		}
	}
}

// leftover handles what came behind the CONNECT.
func (c *connection) leftover() error {
	data := c.rest
	c.rest = nil
	return c.consume(data)
}

// readOnce reads and handles what has arrived.
func (c *connection) readOnce() error {
	switch {
	case len(c.rest) > largeRead/2:
		return c.readLong()
	case c.stream.ahead != nil:
		return c.readRecords()
	}
	s := c.stream.socket
	n, err := s.read(c.buffers(), len(c.rest), c)
	if err != nil || n == 0 {
		return err
	}
	defer s.release()
	copy(s.data(), c.rest)
	return c.arrived(s.data(), n, len(*s.buf))
}

// readLong reads on in a packet that the buffers are too small for, into memory that
// grows with it.
func (c *connection) readLong() error {
	c.rest = slices.Grow(c.rest, largeRead)
	n, err := c.stream.Read(c.rest[len(c.rest):cap(c.rest)])
	if n == 0 {
		return err
	}
	data := c.rest[:len(c.rest)+n]
	if _, size, err := wire.Split(data, c.session.config.MaxPacket); errors.Is(err, wire.ErrShort) && size > len(data) {
		c.rest = data
		c.seen(n)
		return nil
	}
	c.rest = nil
	return c.arrived(data, n, 0)
}

// readRecords reads the records of TLS that have arrived.
func (c *connection) readRecords() error {
	a := c.stream.ahead
	for !a.ready() {
		if n, err := a.more(c); err != nil || n == 0 {
			return err
		}
	}
	if !c.open() {
		return nil
	}
	pool := c.buffers()
	if len(c.rest)+a.size() > smallRead {
		pool = &largeBuffers // a record has 16 KiB and a little at most [RFC 8446 5.2]
	}
	buf := pool.Get().(*[]byte)
	defer pool.Put(buf)
	b := *buf
	total := copy(b, c.rest)
	n := 0
	var ended error
	for more := true; more && ended == nil; more = a.ready() && a.size() < len(b)-total {
		var one int
		one, ended = c.stream.Read(b[total:])
		total, n = total+one, n+one
	}
	if n > 0 { // what came before the end counts: a DISCONNECT, perhaps
		full := len(b)
		if a.ready() { // there was no room for the next one
			full = total
		}
		if err := c.arrived(b[:total], n, full); err != nil {
			return err
		}
	}
	return ended
}

// buffers is the pool for the next read: small until one was filled.
func (c *connection) buffers() *sync.Pool {
	if c.large || len(c.rest) > smallRead/2 {
		return &largeBuffers
	}
	return &smallBuffers
}

// arrived handles data, of which the last n bytes are new, in a buffer of that size.
func (c *connection) arrived(data []byte, n, size int) error {
	c.large = len(data) == size
	c.seen(n)
	err := c.consume(data)
	c.passOn()
	return err
}

// seen notes that n bytes were read.
func (c *connection) seen(n int) {
	c.heard.Store(c.session.ticks.Load())
	c.session.stats.bytesIn.Add(uint64(n))
}

// consume handles the whole packets of data and keeps the rest.
func (c *connection) consume(data []byte) error {
	b := batches.Get().(*batch)
	defer b.free()
	b.received = time.Now().UnixMicro()
	for len(data) > 0 {
		p, size, err := wire.Split(data, c.session.config.MaxPacket)
		if errors.Is(err, wire.ErrShort) {
			break
		}
		if err == nil {
			err = c.handle(p, b)
		}
		if err != nil { // what came before it counts
			return errors.Join(c.flush(b), err)
		}
		data = data[size:]
	}
	c.keepRest(data)
	return c.flush(b)
}

// keepRest copies what has not arrived whole; it grows with what was sent, not with
// what was announced.
func (c *connection) keepRest(data []byte) {
	if len(data) == 0 {
		c.rest = nil
		return
	}
	c.rest = append(c.rest[:0], data...)
}

// handle deals with one packet. A length written longer than needed is refused here,
// before anything is read by it [MQTT-1.5.5-1].
func (c *connection) handle(p wire.Packet, b *batch) error {
	if p.Padded && c.version == wire.V5 {
		return &wire.Error{Reason: wire.MalformedPacket, Text: "a remaining length of more bytes than needed", Statement: "MQTT-1.5.5-1"}
	}
	switch p.Type {
	case wire.PUBLISH:
		return c.publish(p, b)
	case wire.PUBACK:
		return c.acked(p)
	case wire.PINGREQ:
		return c.ping(p)
	case wire.SUBSCRIBE:
		return c.subscribe(p)
	case wire.UNSUBSCRIBE:
		return c.unsubscribe(p)
	case wire.DISCONNECT:
		return c.farewell(p)
	}
	return wire.Unexpected(c.version, p.Type, false)
}

func (c *connection) ping(p wire.Packet) error {
	if err := wire.ParsePingreq(c.version, p); err != nil {
		return err
	}
	c.out.send(wire.AppendPingresp(nil))
	return nil
}

// farewell takes the client's DISCONNECT. A session that was to end with its
// connection cannot be kept after all [MQTT 3.14.2.2.2].
func (c *connection) farewell(p wire.Packet) error {
	d, err := wire.ParseDisconnect(c.version, p)
	if err != nil {
		return err
	}
	if d.HasSessionExpiry {
		if c.keep == 0 && d.SessionExpiry > 0 {
			return &wire.Error{Reason: wire.ProtocolError, Text: "DISCONNECT asks for a session that CONNECT did not"}
		}
		c.keep = c.session.expiry(d.SessionExpiry)
	}
	if d.Reason != wire.Success { // only that withdraws the will [MQTT-3.1.2-10]
		return &farewellError{endLost}
	}
	return &farewellError{endFarewell}
}

// admitted waits until the connection may be read: the inbox has room, and the
// client not too much in flight.
func (c *connection) admitted() error {
	for {
		switch {
		case c.cause.Load() != nil:
			return errStopped
		case c.letIn:
			return nil
		case c.session.inbox.full.Load() && c.session.inbox.queue(c):
			if err := c.waitInLine(); err != nil {
				return err
			}
		case c.crowded():
			c.waitForAcks()
		default:
			return nil
		}
	}
}

// waitInLine waits to be let in.
func (c *connection) waitInLine() error {
	c.hold()
	defer c.release()
	for {
		select {
		case <-c.room: // or an acknowledgement
			if c.session.inbox.called(c) {
				c.letIn = true
				return nil
			}
		case <-c.done:
			c.session.inbox.abandon(c)
			return errStopped
		}
	}
}

// waitForAcks waits until less is in flight, or the connection has ended.
func (c *connection) waitForAcks() {
	c.hold()
	defer c.release()
	for c.crowded() { // behind hold: who acknowledges sees that, or this sees the acknowledgement
		select {
		case <-c.room:
		case <-c.done:
			return
		}
	}
}

func (c *connection) hold() {
	c.held.Store(true)
	c.session.stats.waits.Add(1)
}

// release lets the keepalive run again.
func (c *connection) release() {
	c.heard.Store(c.session.ticks.Load())
	c.held.Store(false)
}

// crowded: a 3.1.1 client, which does not know ReceiveMaximum, has reached it.
func (c *connection) crowded() bool {
	return c.version != wire.V5 && int(c.inflight.Load()) >= c.session.config.ReceiveMaximum
}

// open implements gate.
func (c *connection) open() bool { return c.letIn || !c.session.inbox.full.Load() }

// idle implements gate: who was let in and has nothing makes room for the next.
func (c *connection) idle() { c.passOn() }

func (c *connection) passOn() {
	if c.letIn {
		c.letIn = false
		c.session.inbox.pass()
	}
}
