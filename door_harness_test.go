package sluice_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice"
	"sluice/presence"
	"sluice/sluicetest"
)

var errClosed = errors.New("door closed")

// frontDoor is a scripted front door of one replica: gadgets connect to it. Its
// Session hands over what they send.
type frontDoor struct {
	t     *testing.T
	store sluice.ClientStore
	grace time.Duration

	mu      sync.Mutex
	open    *doorSession // nil while closed
	opens   int
	refusal error
}

var _ sluice.Source = (*frontDoor)(nil)

func (d *frontDoor) Open(_ context.Context, l sluice.Lease, _ []string) (sluice.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refusal != nil {
		return nil, d.refusal
	}
	d.opens++
	d.open = &doorSession{door: d, lease: l, notify: make(chan struct{}, 1), gadgets: map[int64]*gadget{}}
	return d.open, nil
}

// session is the session that is open; the test fails when none is.
func (d *frontDoor) session() *doorSession {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.t.Fatal("the door is closed")
	}
	return d.open
}

func (d *frontDoor) opened() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opens
}

// doorSession is a sluice.Session. Its fields are guarded by the mutex of the door.
type doorSession struct {
	door    *frontDoor
	lease   sluice.Lease
	notify  chan struct{}
	inbox   []sluice.Delivery
	gadgets map[int64]*gadget // by connection
	ended   bool
}

func (*doorSession) Resumed() bool       { return true }
func (*doorSession) ReceiveMaximum() int { return 1 }

func (s *doorSession) Receive(ctx context.Context) ([]sluice.Delivery, error) {
	for {
		s.door.mu.Lock()
		ds, ended := s.inbox, s.ended
		s.inbox = nil
		s.door.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case ended:
			return nil, errClosed
		case len(ds) > 0:
			return ds, nil
		}
		select {
		case <-s.notify:
		case <-ctx.Done():
		}
	}
}

func (s *doorSession) push(ds ...sluice.Delivery) {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	for i := range ds {
		ds[i].Received = time.Now().UnixMicro()
	}
	s.inbox = append(s.inbox, ds...)
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

// Ack gives each gadget its PUBACKs, if its connection is still open.
func (s *doorSession) Ack(ds []sluice.Delivery) error {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	for _, d := range ds {
		g := s.gadgets[d.Connection]
		switch {
		case d.Stale:
			delete(s.gadgets, d.Connection)
		case g != nil && d.QoS > 0 && !d.Will:
			g.puback(d.PacketID)
		}
	}
	return nil
}

func (s *doorSession) Mark(payload []byte) error {
	s.push(sluice.Delivery{Topic: []byte(syncTopic), Payload: payload, QoS: 1})
	return nil
}

func (s *doorSession) Close() error {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	s.ended, s.gadgets = true, nil
	if s.door.open == s {
		s.door.open = nil
	}
	select {
	case s.notify <- struct{}{}:
	default:
	}
	return nil
}

const syncTopic = "sluice/sync/plant-1"

// gadget is a device: it keeps what it has sent until the PUBACK, and sends it again
// on its next connection.
type gadget struct {
	t    *testing.T
	name string
	will int64 // seconds of delay; below 0: no will

	mu      sync.Mutex
	lastID  uint16
	unacked []sluice.Delivery
	acked   int

	session    *doorSession
	connection int64
}

func (s *site) gadget(name string) *gadget { return &gadget{t: s.T, name: name, will: 5} }

func (g *gadget) puback(id uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, d := range g.unacked {
		if d.PacketID == id {
			g.unacked = slices.Delete(g.unacked, i, i+1)
			g.acked++
			return
		}
	}
	g.t.Errorf("%s: PUBACK of packet %d, which is not in flight", g.name, id)
}

// connect connects to a door and sends again what is not acknowledged. The old
// connection is left as it is: nobody there has noticed.
func (g *gadget) connect(d *frontDoor) sluice.Connected {
	g.t.Helper()
	s := d.session()
	r := sluice.ConnectRequest{Client: g.name, Expiry: time.Hour, Grace: d.grace, Presence: sluice.PresenceSettings{Events: true}}
	if g.will >= 0 {
		r.Will = &sluice.ClientWill{Device: g.name, Delay: g.will * 1e6}
	}
	clock, err := d.store.(sluice.DeviceStore).Clock(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	r.At = clock.Now
	c, err := d.store.Connect(context.Background(), s.lease, r)
	if err != nil {
		g.t.Fatal(err)
	}
	d.mu.Lock()
	s.gadgets[c.Connection] = g
	d.mu.Unlock()
	g.session, g.connection = s, c.Connection
	g.resend(c)
	return c
}

func (g *gadget) resend(c sluice.Connected) {
	g.mu.Lock()
	again := slices.Clone(g.unacked)
	g.mu.Unlock()
	for i := range again {
		d := &again[i]
		d.Dup, d.Connection = true, g.connection
		d.Known = slices.ContainsFunc(c.Delivered, func(x sluice.Delivered) bool { return x.PacketID == d.PacketID })
	}
	g.session.push(again...)
}

// publish sends QoS 1 messages.
func (g *gadget) publish(topic string, payloads ...string) {
	ds := make([]sluice.Delivery, len(payloads))
	g.mu.Lock()
	for i, p := range payloads {
		g.lastID++
		ds[i] = sluice.Delivery{Topic: []byte(topic), Payload: []byte(p), QoS: 1, PacketID: g.lastID, Client: g.name, Connection: g.connection}
	}
	g.unacked = append(g.unacked, ds...)
	g.mu.Unlock()
	g.session.push(ds...)
}

// hello sends the connect message.
func (g *gadget) hello() { g.publish("connect/"+g.name, string(connectOf(g.name))) }

// vanish breaks the connection: the door sends the will.
func (g *gadget) vanish() {
	g.session.push(sluice.Delivery{
		Topic: []byte("lwt/" + g.name), Payload: willOf(g.name, g.will), QoS: 1, Client: g.name, Connection: g.connection, Will: true,
	})
}

// inFlight checks how many messages are acknowledged and how many are not.
func (g *gadget) inFlight(acked, unacked int) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.acked != acked || len(g.unacked) != unacked {
		g.t.Errorf("%s: %d messages acknowledged and %d not, want %d and %d", g.name, g.acked, len(g.unacked), acked, unacked)
	}
}

func (g *gadget) allAcked() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.unacked) == 0
}

// replica is a router with a front door, on a store of which its own view can fail.
type replica struct {
	*frontDoor
	queue *sluicetest.FaultyQueue
	stop  func()
}

// replica starts a replica and waits until its door is open.
func (f *fleetSite) replica() *replica {
	f.Helper()
	p := f.closed()
	f.open(p)
	f.advance(time.Second)
	return p
}

// closed is a replica that is to be opened.
func (f *fleetSite) closed() *replica {
	q := sluicetest.Faulty(f.store, nil)
	return &replica{queue: q, frontDoor: &frontDoor{t: f.T, store: f.store, grace: 2 * time.Minute}}
}

func (f *fleetSite) open(p *replica) {
	_, p.stop = f.startOn(p.queue, func(c *sluice.Config) {
		c.Source, c.Session, c.Door = p.frontDoor, "door", &sluice.Door{Clients: p.queue, Grace: p.grace}
		c.Presence = &sluice.Presence{
			Keeper:   presence.New(p.queue, presence.Config{Facility: "plant-1", Events: true, Direct: true}),
			Settings: sluice.PresenceSettings{Events: true},
			Devices:  f.devices, Receivers: []sluice.Receiver{receiver("chat", f.chat)},
		}
	})
}

// ingestCalls are what the receiving side of a replica asks of the store.
var ingestCalls = []string{"Append", "Renew", "Lease", "Unlease", "Doors", "Inherit", "PruneClients", "Due", "Unheard", "Attend", "EnterDoor", "Grace", "Clock"}

// freeze makes the receiving side of the replica stand still, as a process that was
// stopped; thaw lets it go on.
func (p *replica) freeze() {
	for _, op := range ingestCalls {
		p.queue.Fail(op, sluicetest.Hang, nil, -1)
	}
}

func (p *replica) thaw() {
	for _, op := range ingestCalls {
		p.queue.Fail(op, sluicetest.Pass, nil, 0)
	}
}

// doors is how many sessions of front doors the store has.
func (f *fleetSite) doors(want int) {
	f.Helper()
	doors, err := f.store.Doors(context.Background())
	if err != nil || len(doors) != want {
		f.Errorf("at %v: sessions of front doors %+v (%v), want %d", f.elapsed(), doors, err, want)
	}
}
