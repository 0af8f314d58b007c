package sluicetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice"
)

// TestClients is the conformance suite of sluice.ClientStore and of clients in
// sluice.Queue's Append: a subtest per promise of their comments. open is as for
// TestQueue.
func TestClients(t *testing.T, open func(t *testing.T, o QueueOptions) Store) {
	for _, group := range [][]clientTest{connectTests, clientAppendTests, clientWillTests, orderTests, inheritTests, broadcastTests} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s := open(t, QueueOptions{})
				d := &deviceRig{rig: &rig{T: t, ctx: ctx, q: s}, s: s, settings: sluice.PresenceSettings{Events: true}}
				d.begin()
				test.run(&clientRig{d})
			})
		}
	}
}

type clientTest struct {
	name string
	run  func(r *clientRig)
}

// clientRig is a rig with a registry of clients. Presence times count as those of a
// deviceRig.
type clientRig struct {
	*deviceRig
}

// grace is that of every request of the suite.
const grace = 120 * time.Second

// replica is one front door.
type replica struct {
	r      *clientRig
	lease  sluice.Lease
	number uint64
}

// replica returns a front door whose lease lasts.
func (r *clientRig) replica(session string) *replica {
	r.Helper()
	return r.replicaFor(session, long)
}

func (r *clientRig) replicaFor(session string, ttl time.Duration) *replica {
	r.Helper()
	l, err := r.q.Lease(r.ctx, session, session, ttl)
	r.ok(err)
	r.ok(r.s.EnterDoor(r.ctx, l))
	_, err = r.s.Attend(r.ctx, l, 0)
	r.ok(err)
	return &replica{r: r, lease: l}
}

// lasting makes a session outlive its connection, clean asks for a clean start, lastWill
// has a device and a delay.
func lasting(c *sluice.ConnectRequest) { c.Expiry = long }
func clean(c *sluice.ConnectRequest)   { c.CleanStart = true }

func lastWill(device string, delay time.Duration) func(*sluice.ConnectRequest) {
	return func(c *sluice.ConnectRequest) {
		c.Will = &sluice.ClientWill{Device: device, Delay: delay.Microseconds()}
	}
}

func (p *replica) request(client string, d time.Duration, options ...func(*sluice.ConnectRequest)) sluice.ConnectRequest {
	c := sluice.ConnectRequest{Client: client, At: p.r.at(d), Grace: grace, Presence: p.r.settings}
	for _, o := range options {
		o(&c)
	}
	return c
}

// connect connects a client at a time.
func (p *replica) connect(client string, d time.Duration, options ...func(*sluice.ConnectRequest)) sluice.Connected {
	p.r.Helper()
	c, err := p.r.s.Connect(p.r.ctx, p.lease, p.request(client, d, options...))
	p.r.ok(err)
	p.r.check()
	return c
}

func (p *replica) disconnect(client string, c sluice.Connected, keep time.Duration, will bool) {
	p.r.Helper()
	p.r.ok(p.r.s.Disconnect(p.r.ctx, p.lease, client, c.Connection, keep, will))
}

// share is what a connection delivered: the packets with those ids.
func share(client string, c sluice.Connected, packets ...uint16) sluice.GroupClient {
	g := sluice.GroupClient{Client: client, Connection: c.Connection}
	for _, id := range packets {
		g.Delivered = append(g.Delivered, sluice.Delivered{PacketID: id, Hash: 1<<63 + uint64(id)})
	}
	return g
}

// group returns the next group, with a message and shares of clients.
func (p *replica) group(shares ...sluice.GroupClient) *sluice.Group {
	p.number++
	return &sluice.Group{
		Lease: p.lease, Number: p.number, Parts: []sluice.Part{part(door, by(1000, sluice.Never), "m")},
		Remember: 100, Clients: shares, Presence: p.r.settings,
	}
}

func (p *replica) append(shares ...sluice.GroupClient) {
	p.r.Helper()
	p.r.appendGroup(p.group(shares...))
}

// will appends the will of a connection, at a time.
func (p *replica) will(client string, c sluice.Connected, device string, d, delay time.Duration) {
	p.r.Helper()
	g := p.group()
	g.Parts, g.Moves = nil, []sluice.Move{p.willOf(client, c, device, d, delay)}
	p.r.appendGroup(g)
	p.r.check()
}

func (p *replica) willOf(client string, c sluice.Connected, device string, d, delay time.Duration) sluice.Move {
	m := p.r.will(device, d, delay)
	m.Client, m.Connection = client, c.Connection
	return m
}

// stale appends a group that must be refused for some of its clients, and of which
// nothing may remain.
func (p *replica) stale(g *sluice.Group, clients ...int) {
	p.r.Helper()
	before := p.r.clientImage()
	_, err := p.r.q.Append(p.r.ctx, g)
	var stale *sluice.StaleClientsError
	if !errors.As(err, &stale) {
		p.r.Fatalf("got error %v, want that of clients with a newer connection", err)
	}
	same(p.r.rig, "clients that are stale", stale.Clients, clients)
	same(p.r.rig, "store after a refused group", p.r.clientImage(), before)
	p.number--
}

// inherit winds up a session at a time, page by page.
func (p *replica) inherit(session, token string, d time.Duration) (clients, wills int) {
	p.r.Helper()
	for cursor, begun := "", false; !begun || cursor != ""; begun = true {
		next, done, err := p.r.s.Inherit(p.r.ctx, p.lease, p.inheritance(session, token, d), cursor)
		p.r.ok(err)
		cursor, clients, wills = next, clients+done.Clients, wills+done.Wills
	}
	p.r.check()
	return clients, wills
}

func (p *replica) inheritance(session, token string, d time.Duration) sluice.InheritRequest {
	return sluice.InheritRequest{Session: session, Token: token, Now: p.r.at(d), Grace: grace, Presence: p.r.settings}
}

// fenced checks that nothing can be done under the replica's lease any more.
func (p *replica) fenced() {
	p.r.Helper()
	r, s, ctx := p.r, p.r.s, p.r.ctx
	_, err := s.Append(ctx, p.group())
	r.is("Append", err, sluice.ErrFenced)
	r.is("Renew", s.Renew(ctx, p.lease, long), sluice.ErrFenced)
	r.is("EnterDoor", s.EnterDoor(ctx, p.lease), sluice.ErrFenced)
	_, err = s.Connect(ctx, p.lease, p.request("late", 0))
	r.is("Connect", err, sluice.ErrFenced)
	r.is("SubscribeClient", s.SubscribeClient(ctx, p.lease, "c", 1, nil), sluice.ErrFenced)
	r.is("Disconnect", s.Disconnect(ctx, p.lease, "c", 1, 0, false), sluice.ErrFenced)
	_, _, err = s.Inherit(ctx, p.lease, p.inheritance("any", "", 0), "")
	r.is("Inherit", err, sluice.ErrFenced)
}

// clientImage is everything of clients that a test can see.
type clientImage struct {
	Clients []sluice.Client
	Devices []sluice.Device
	Queue   sluice.QueueStatus
}

func (r *clientRig) clientImage() clientImage {
	r.Helper()
	i := clientImage{Clients: r.clients(), Devices: r.check(), Queue: r.status(door)}
	i.Queue.OldestAge = 0
	return i
}

// clients lists the clients, sorted by name.
func (r *clientRig) clients() (out []sluice.Client) {
	r.Helper()
	for cursor, begun := "", false; !begun || cursor != ""; begun = true {
		page, next, err := r.s.Clients(r.ctx, cursor)
		r.ok(err)
		out, cursor = append(out, page...), next
	}
	slices.SortStableFunc(out, func(a, b sluice.Client) int { return strings.Compare(a.Name, b.Name) })
	out = slices.CompactFunc(out, func(a, b sluice.Client) bool { return a.Name == b.Name })
	n, err := r.s.CountClients(r.ctx)
	r.ok(err)
	if n != len(out) {
		r.Fatalf("%d clients are counted, %d listed", n, len(out))
	}
	return out
}

// client returns a client that must be known.
func (r *clientRig) client(name string) sluice.Client {
	r.Helper()
	for _, c := range r.clients() {
		if c.Name == name {
			return c
		}
	}
	r.Fatalf("client %q is not known", name)
	return sluice.Client{}
}

// doors returns the names of the sessions of front doors, sorted.
func (r *clientRig) doors() (names []string) {
	r.Helper()
	doors, err := r.s.Doors(r.ctx)
	r.ok(err)
	for _, d := range doors {
		names = append(names, d.Session)
	}
	slices.Sort(names)
	return names
}

// tokens returns the tokens of the sessions of front doors, and which have expired.
func (r *clientRig) tokens() map[string]string {
	r.Helper()
	doors, err := r.s.Doors(r.ctx)
	r.ok(err)
	tokens := map[string]string{}
	for _, d := range doors {
		tokens[d.Session] = d.Token
		if d.Expired {
			tokens[d.Session] += " expired"
		}
	}
	return tokens
}

// unknown checks that a device is not known.
func (r *clientRig) unknown(device string) {
	r.Helper()
	d, err := r.s.Device(r.ctx, device)
	r.ok(err)
	if d != nil {
		r.Fatalf("device %s is known: %+v", device, d)
	}
}
