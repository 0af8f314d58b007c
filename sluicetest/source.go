package sluicetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sluice"
)

// BrokerConfig configures a Broker. The zero value works.
type BrokerConfig struct {
	// Filters are the subscriptions, usually Mux.Filters: Publish then delivers
	// one copy per filter that matches, each with its subscription identifier.
	// Nil: one copy of everything, without an identifier.
	Filters []sluice.Filter
	// ReceiveMaximum is how many QoS 1 messages may be unacknowledged. Default 100.
	ReceiveMaximum int
	// Group is the most messages that one Receive returns. Default: no limit.
	Group int
	// MaxPacketID is the highest packet id; 1 follows it. Default 65535. A small
	// one makes a broker that reuses ids early; it must not be below
	// ReceiveMaximum.
	MaxPacketID int
	// Sync is the marker topic of Session.Mark.
	Sync string
	// OnAck is called at the beginning of every Ack, with
	// the arguments of Ack. It may call the Broker.
	OnAck func([]sluice.Delivery)
}

// Broker is a sluice.Source to which a test publishes. It plays the broker's
// side of one session: it keeps what is not acknowledged, sends it again with
// DUP and the same packet id to the next connection, ends the old connection
// when a new one opens, keeps to the receive maximum and loses the session when
// told to. It spoils what Receive returned at the next Receive, so that who
// keeps it is found out, and notes acknowledgements that break the protocol
// (see Err). Unlike a real broker it also keeps what was published before the
// first connection.
//
// Safe for concurrent use; it works in a testing/synctest bubble.
type Broker struct {
	config BrokerConfig

	mu       sync.Mutex
	known    bool // there is a session
	conn     *connection
	queued   []Publish // not yet sent to conn, in order
	flight   []Publish // QoS 1, sent to conn and not acknowledged, in order
	lastID   int
	refusal  error
	failing  int // calls of Ack
	opens    int
	obsolete []string // of the last Open
	acked    []Publish
	err      error
}

var _ sluice.Source = (*Broker)(nil)

// Publish is a message on its way to the router.
type Publish struct {
	Topic   string
	Payload []byte
	// Subscriptions are the identifiers that come with it.
	Subscriptions []uint32
	// PacketID 0 means the next free one. QoS 0 has none.
	PacketID    uint16
	QoS         byte
	Dup, Retain bool
}

// NewBroker returns a broker that is up and has no session yet.
func NewBroker(c BrokerConfig) *Broker {
	if c.ReceiveMaximum <= 0 {
		c.ReceiveMaximum = 100
	}
	if c.MaxPacketID <= 0 {
		c.MaxPacketID = 65535
	}
	return &Broker{config: c}
}

// Publish queues QoS 1 messages of one topic, all at once, and returns how many
// copies were made: 0 when no filter matches, as if nobody had subscribed.
func (b *Broker) Publish(topic string, payloads ...[]byte) (copies int) {
	var ps []Publish
	for _, payload := range payloads {
		p := Publish{Topic: topic, Payload: payload, QoS: 1}
		if b.config.Filters == nil {
			ps = append(ps, p)
		}
		for i, f := range b.config.Filters {
			if f.Match(topic) {
				p.Subscriptions = []uint32{uint32(i) + 1}
				ps = append(ps, p)
			}
		}
	}
	b.Send(ps...)
	return len(ps)
}

// Send queues messages just as they are given, all at once.
func (b *Broker) Send(ps ...Publish) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queued = append(b.queued, ps...)
	b.signal()
}

// Break ends the connection without a word, as a network does. What was not
// acknowledged will be sent again.
func (b *Broker) Break() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disconnect(io.EOF)
}

// Lose ends the connection and forgets the session with all its messages.
func (b *Broker) Lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disconnect(io.EOF)
	b.known, b.queued, b.lastID = false, nil, 0
}

// Refuse makes every later Open fail with err, until it is called with nil.
func (b *Broker) Refuse(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusal = err
}

// FailAck breaks the connection in the next n calls of Ack, before the broker
// has read anything of them.
func (b *Broker) FailAck(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = n
}

// Opens returns how often Open was called.
func (b *Broker) Opens() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opens
}

// Obsolete returns the filters that the last Open was to unsubscribe from.
func (b *Broker) Obsolete() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.obsolete)
}

// Connected tells whether a connection is open.
func (b *Broker) Connected() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conn != nil
}

// Acked returns the QoS 1 messages acknowledged so far, in the order of their
// acknowledgements.
func (b *Broker) Acked() []Publish {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.acked)
}

// Pending returns how many messages the broker still holds, sent or not.
func (b *Broker) Pending() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queued) + len(b.flight)
}

// Unacked returns how many QoS 1 messages were sent on the connection that is
// open and are not acknowledged.
func (b *Broker) Unacked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.flight)
}

// Err returns the first breach of the protocol, nil when there was none: an
// acknowledgement of a message that was not sent, twice, or out of order.
func (b *Broker) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Open implements sluice.Source.
func (b *Broker) Open(ctx context.Context, _ sluice.Lease, obsolete []string) (sluice.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opens++
	b.obsolete = obsolete
	if err := errors.Join(ctx.Err(), b.refusal); err != nil {
		return nil, err
	}
	b.disconnect(io.EOF)
	b.conn = &connection{broker: b, resumed: b.known, notify: make(chan struct{}, 1)}
	b.known = true
	return b.conn, nil
}

// disconnect ends the connection if there is one; the caller holds the mutex.
func (b *Broker) disconnect(cause error) {
	if b.conn == nil {
		return
	}
	b.conn.err = cause
	b.signal()
	b.conn = nil
	for i := range b.flight {
		b.flight[i].Dup = true
	}
	kept := slices.DeleteFunc(b.queued, func(p Publish) bool { return p.QoS == 0 })
	b.queued = append(b.flight, kept...)
	b.flight = nil
}

// signal wakes Receive; the caller holds the mutex.
func (b *Broker) signal() {
	if b.conn == nil {
		return
	}
	select {
	case b.conn.notify <- struct{}{}:
	default:
	}
}

// send takes what may be sent now off the queue; the caller holds the mutex.
func (b *Broker) send() (out []Publish) {
	for len(b.queued) > 0 && (b.config.Group <= 0 || len(out) < b.config.Group) {
		p := b.queued[0]
		if p.QoS > 0 {
			if len(b.flight) >= b.config.ReceiveMaximum {
				break
			}
			if p.PacketID == 0 {
				p.PacketID = b.nextID()
			}
			b.flight = append(b.flight, p)
		}
		b.queued = b.queued[1:]
		out = append(out, p)
	}
	return out
}

// nextID returns the next packet id that no message in flight or to be sent
// again has.
func (b *Broker) nextID() uint16 {
	used := func(p Publish) bool { return int(p.PacketID) == b.lastID }
	for {
		b.lastID = b.lastID%b.config.MaxPacketID + 1
		if !slices.ContainsFunc(b.flight, used) && !slices.ContainsFunc(b.queued, used) {
			return uint16(b.lastID)
		}
	}
}

// ack takes in one PUBACK; the caller holds the mutex.
func (b *Broker) ack(id uint16) {
	i := slices.IndexFunc(b.flight, func(p Publish) bool { return p.PacketID == id })
	switch {
	case i < 0 && b.err == nil:
		b.err = fmt.Errorf("packet %d acknowledged, which is not in flight", id)
	case i > 0 && b.err == nil:
		b.err = fmt.Errorf("packet %d acknowledged before packet %d", id, b.flight[0].PacketID)
	}
	if i >= 0 {
		b.acked = append(b.acked, b.flight[i])
		b.flight = slices.Delete(b.flight, i, i+1)
	}
}

// connection is a sluice.Session. Its fields are guarded by the mutex of the
// broker, but spoil, which Receive owns.
type connection struct {
	broker  *Broker
	resumed bool
	err     error         // why it ended
	notify  chan struct{} // room for one: the broker's state tells the rest
	spoil   []byte        // what the last Receive returned
}

func (c *connection) Resumed() bool { return c.resumed }

func (c *connection) ReceiveMaximum() int { return c.broker.config.ReceiveMaximum }

// Receive implements sluice.Session.
func (c *connection) Receive(ctx context.Context) ([]sluice.Delivery, error) {
	for i := range c.spoil {
		c.spoil[i] = 0xEE
	}
	c.spoil = nil
	for {
		ps, err := c.take(ctx)
		if err != nil {
			return nil, err
		}
		if len(ps) > 0 {
			return c.deliveries(ps), nil
		}
		select {
		case <-ctx.Done():
		case <-c.notify:
		}
	}
}

func (c *connection) take(ctx context.Context) ([]Publish, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	return c.broker.send(), nil
}

func (c *connection) deliveries(ps []Publish) []sluice.Delivery {
	for _, p := range ps {
		c.spoil = append(append(c.spoil, p.Topic...), p.Payload...)
	}
	rest := c.spoil
	cut := func(n int) (s []byte) { s, rest = rest[:n:n], rest[n:]; return s }
	out := make([]sluice.Delivery, len(ps))
	for i, p := range ps {
		out[i] = sluice.Delivery{
			Topic: cut(len(p.Topic)), Payload: cut(len(p.Payload)), Received: time.Now().UnixMicro(),
			Subscriptions: p.Subscriptions, PacketID: p.PacketID, QoS: p.QoS, Dup: p.Dup, Retain: p.Retain,
		}
	}
	return out
}

// Ack implements sluice.Session.
func (c *connection) Ack(ds []sluice.Delivery) error {
	if hook := c.broker.config.OnAck; hook != nil {
		hook(ds)
	}
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.err == nil && c.broker.failing > 0 {
		c.broker.failing--
		c.broker.disconnect(io.ErrClosedPipe)
	}
	if c.err != nil {
		return c.err
	}
	for _, d := range ds {
		if d.QoS > 0 {
			c.broker.ack(d.PacketID)
		}
	}
	c.broker.signal() // the receive maximum has room again
	return nil
}

// Mark implements sluice.Session.
func (c *connection) Mark(payload []byte) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.broker.queued = append(c.broker.queued, Publish{Topic: c.broker.config.Sync, Payload: payload, QoS: 1})
	c.broker.signal()
	return nil
}

// Close implements sluice.Session.
func (c *connection) Close() error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.broker.conn == c {
		c.broker.disconnect(errors.New("session closed"))
	}
	return nil
}
