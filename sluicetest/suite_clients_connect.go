package sluicetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice"
)

// connectTests are of connections and what is known of them.
var connectTests = []clientTest{
	{name: "Connect_NumbersGrow", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		last := int64(0)
		for i := range 12 {
			p := []*replica{a, b}[i%2]
			c := p.connect(fmt.Sprint("c", i%3), 0)
			if c.Connection <= last {
				r.Fatalf("connection %d after %d", c.Connection, last)
			}
			last = c.Connection
		}
	}},
	{name: "Connect_ResumesWhatHasNotExpired", run: testResume},
	{name: "Connect_TellsWhoHadTheConnection", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		for i, step := range []struct {
			p    *replica
			want string
		}{{a, ""}, {a, "a"}, {b, "a"}, {a, "b"}} {
			if got := step.p.connect("c", 0, lasting).Previous; got != step.want {
				r.Fatalf("step %d: got previous session %q, want %q", i, got, step.want)
			}
		}
		c := a.connect("c", 0, lasting)
		a.disconnect("c", c, long, false)
		if got := b.connect("c", 0).Previous; got != "" {
			r.Fatalf("got previous session %q of a connection that had ended", got)
		}
	}},
	{name: "Connect_KeepsRecordAndSubscriptionsOfASession", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		c := a.connect("c", 0, lasting)
		r.ok(r.s.SubscribeClient(r.ctx, a.lease, "c", c.Connection, []byte("first")))
		r.ok(r.s.SubscribeClient(r.ctx, a.lease, "c", c.Connection, []byte("pulse\x00\xff")))
		a.append(share("c", c, 1, 2))
		got := b.connect("c", 0, lasting)
		same(r.rig, "subscriptions", string(got.Subscriptions), "pulse\x00\xff")
		same(r.rig, "redelivery record", got.Delivered, share("c", c, 1, 2).Delivered)
		got = b.connect("c", 0, lasting, clean)
		again := b.connect("c", 0, lasting)
		for _, got := range []sluice.Connected{got, again} {
			if got.Subscriptions != nil || len(got.Delivered) > 0 {
				r.Fatalf("a clean start left %+v", got)
			}
		}
		if !again.Resumed {
			r.Fatal("the session after the clean start is not resumed")
		}
	}},
	{name: "Connect_BeyondTheLimit_IsRefused", run: func(r *clientRig) {
		a := r.replica("a")
		most := func(c *sluice.ConnectRequest) { c.MaxClients = 2 }
		a.connect("c1", 0, most)
		a.connect("c2", 0, most)
		_, err := r.s.Connect(r.ctx, a.lease, a.request("c3", 0, most))
		r.is("Connect", err, sluice.ErrClientLimit)
		a.connect("c1", 0, most) // who is known may come back
		a.connect("c3", 0)
		if n := len(r.clients()); n != 3 {
			r.Fatalf("%d clients are known, want 3", n)
		}
	}},
	{name: "Connect_OfAnyName", run: func(r *clientRig) {
		a := r.replica("a")
		names := []string{" ", "a b", "0", "-", "{x}", "\x00\xff", "a\r\nb", strings.Repeat("n", sluice.MaxClientID)}
		for _, name := range names {
			c := a.connect(name, 0, lasting, lastWill("dev", time.Second))
			r.ok(r.s.SubscribeClient(r.ctx, a.lease, name, c.Connection, []byte(name)))
			a.append(share(name, c, 7))
			got := a.connect(name, 0, lasting)
			if string(got.Subscriptions) != name || len(got.Delivered) != 1 {
				r.Fatalf("%q: got %+v", name, got)
			}
		}
		if n := len(r.clients()); n != len(names) {
			r.Fatalf("%d clients are known, want %d", n, len(names))
		}
		for _, name := range []string{"", strings.Repeat("n", sluice.MaxClientID+1)} {
			if _, err := r.s.Connect(r.ctx, a.lease, a.request(name, 0)); err == nil {
				r.Fatalf("a name of %d bytes was taken", len(name))
			}
		}
	}},
	{name: "Clients_AreDescribed", run: func(r *clientRig) {
		a := r.replica("a b") // a session's name may be anything
		c := a.connect("c", 0, lasting, lastWill("dev", 5*time.Second))
		got := r.client("c")
		if got.Connected == 0 || got.Expires != 0 {
			r.Fatalf("got %+v, want a client that is connected", got)
		}
		connected := got.Connected
		same(r.rig, "client", got, sluice.Client{
			Name: "c", Session: "a b", Connection: c.Connection, Connected: connected,
			Will: &sluice.ClientWill{Device: "dev", Delay: 5_000_000},
		})
		a.disconnect("c", c, time.Minute, false)
		got = r.client("c")
		if d := time.Duration(got.Expires-connected) * time.Microsecond; d < time.Minute || d > 2*time.Minute || got.Will != nil {
			r.Fatalf("got %+v, want it to expire in a minute, without a will", got)
		}
		a.disconnect("c", c, long, false)
		same(r.rig, "client that is disconnected once more", r.client("c"), got)
	}},
	{name: "OldConnections_DoNothing", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		old := a.connect("c", 0, lasting)
		b.connect("c", 0, lasting, lastWill("dev", time.Second))
		before := r.clientImage()
		r.is("SubscribeClient", r.s.SubscribeClient(r.ctx, a.lease, "c", old.Connection, []byte("x")), sluice.ErrLost)
		r.is("SubscribeClient", r.s.SubscribeClient(r.ctx, a.lease, "nobody", old.Connection, []byte("x")), sluice.ErrLost)
		a.disconnect("c", old, 0, false)
		a.disconnect("nobody", old, 0, false)
		same(r.rig, "store", r.clientImage(), before)
		now := b.connect("c", 0, lasting)
		b.disconnect("c", now, long, false)
		r.is("SubscribeClient", r.s.SubscribeClient(r.ctx, b.lease, "c", now.Connection, nil), sluice.ErrLost)
		if c := b.connect("c", 0); c.Subscriptions != nil {
			r.Fatalf("got subscriptions %q", c.Subscriptions)
		}
	}},
	{name: "Doors_TellOfLeases", run: func(r *clientRig) {
		r.hold() // a session that is none of a front door
		a, b := r.replica("a"), r.replicaFor("b", time.Millisecond)
		r.pass(2 * time.Millisecond)
		same(r.rig, "doors", r.tokens(), map[string]string{"a": a.lease.Token, "b": b.lease.Token + " expired"})
		r.ok(r.q.Renew(r.ctx, b.lease, long))
		r.ok(r.q.Unlease(r.ctx, a.lease))
		same(r.rig, "doors", r.tokens(), map[string]string{"a": " expired", "b": b.lease.Token})
	}},
	{name: "FencedReplica_DoesNothing", run: func(r *clientRig) {
		a := r.replica("a")
		old := *a
		c := a.connect("c", 0)
		l, err := r.q.Lease(r.ctx, "a", "a", long)
		r.ok(err)
		a.lease, a.number = l, 0
		before := r.clientImage()
		old.fenced()
		same(r.rig, "store", r.clientImage(), before)
		a.append(share("c", c, 1))
	}},
	{name: "PruneClients_LeavesWhoMayComeBack", run: func(r *clientRig) {
		a := r.replica("a")
		a.connect("here", 0)
		a.disconnect("gone", a.connect("gone", 0), 0, false)
		a.disconnect("kept", a.connect("kept", 0), long, false)
		removed := 0
		for cursor, begun := "", false; !begun || cursor != ""; begun = true {
			next, n, err := r.s.PruneClients(r.ctx, cursor)
			r.ok(err)
			cursor, removed = next, removed+n
		}
		if removed != 0 || len(r.clients()) != 3 {
			r.Fatalf("%d clients were removed, before ClientKept had passed", removed)
		}
	}},
}

// testResume connects twice, with something in between.
func testResume(r *clientRig) {
	a := r.replica("a")
	short := func(c *sluice.ConnectRequest) { c.Expiry = time.Millisecond }
	nothing := func(string, sluice.Connected) {}
	leave := func(keep time.Duration) func(string, sluice.Connected) {
		return func(client string, c sluice.Connected) { a.disconnect(client, c, keep, false) }
	}
	fade := func(client string, c sluice.Connected) {
		g := share(client, c)
		g.Ended = true
		a.append(g)
	}
	wait := func(string, sluice.Connected) { r.pass(2 * time.Millisecond) }
	both := func(f, g func(string, sluice.Connected)) func(string, sluice.Connected) {
		return func(client string, c sluice.Connected) { f(client, c); g(client, c) }
	}
	for i, test := range []struct {
		first   []func(*sluice.ConnectRequest)
		between func(client string, c sluice.Connected)
		second  []func(*sluice.ConnectRequest)
		want    bool
	}{
		{nil, nothing, nil, false},
		{[]func(*sluice.ConnectRequest){lasting}, nothing, nil, true},
		{[]func(*sluice.ConnectRequest){lasting, clean}, nothing, nil, true},
		{[]func(*sluice.ConnectRequest){lasting}, nothing, []func(*sluice.ConnectRequest){clean}, false},
		{[]func(*sluice.ConnectRequest){lasting}, leave(0), nil, false},
		{[]func(*sluice.ConnectRequest){lasting}, leave(long), nil, true},
		{nil, leave(long), nil, true}, // a DISCONNECT may change the expiry
		{[]func(*sluice.ConnectRequest){short}, wait, nil, true},
		{[]func(*sluice.ConnectRequest){short}, both(leave(time.Millisecond), wait), nil, false},
		{[]func(*sluice.ConnectRequest){short}, both(fade, wait), nil, false},
		{[]func(*sluice.ConnectRequest){lasting}, both(fade, wait), nil, true},
		{nil, fade, nil, false},
	} {
		client := fmt.Sprint("c", i)
		c := a.connect(client, 0, test.first...)
		if c.Resumed {
			r.Fatalf("case %d: the first session is resumed", i)
		}
		test.between(client, c)
		if got := a.connect(client, 0, test.second...).Resumed; got != test.want {
			r.Fatalf("case %d: resumed is %v, want %v", i, got, test.want)
		}
	}
}

// clientAppendTests are of clients in groups.
var clientAppendTests = []clientTest{
	{name: "Append_OfOldConnections_IsRefused", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		moved, stays := a.connect("moved", 0, lasting), a.connect("stays", 0, lasting)
		now := b.connect("moved", 0, lasting)
		g := a.group(share("stays", stays, 1), share("moved", moved, 2), share("nobody", stays, 3))
		g.Moves = []sluice.Move{r.connect("dev", 0)}
		g.Dead = []sluice.DeadLetter{{Route: door, Topic: "t", Reason: "r"}}
		a.stale(g, 1, 2)
		a.append(share("stays", stays, 1)) // the same number
		b.append(share("moved", now, 2))
		again := a.connect("moved", 0, lasting)
		same(r.rig, "redelivery record", again.Delivered, share("moved", now, 2).Delivered)
		if s := r.status(door); s.Open != 2 {
			r.Fatalf("%d messages are stored, want 2", s.Open)
		}
	}},
	{name: "Append_OfTwoConnectionsOfAClient_RefusesTheOlder", run: func(r *clientRig) {
		a := r.replica("a")
		old := a.connect("c", 0, lasting)
		now := a.connect("c", 0, lasting)
		a.stale(a.group(share("c", old, 1), share("c", now, 2)), 0)
		a.append(share("c", now, 2))
	}},
	{name: "Append_RepeatedAfterTakeover_ReturnsFirstReceipt", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		c := a.connect("c", 0, lasting)
		g := a.group(share("c", c, 1))
		r.appendGroup(g)
		got := b.connect("c", 0, lasting)
		same(r.rig, "redelivery record", got.Delivered, g.Clients[0].Delivered)
		if again := r.appendGroup(g); !again.Repeated {
			r.Fatal("the repeat is not called one")
		}
		if s := r.status(door); s.Open != 1 {
			r.Fatalf("%d messages are stored, want 1", s.Open)
		}
	}},
	{name: "Append_OfEndedConnection_IsStored", run: func(r *clientRig) {
		a := r.replica("a")
		c := a.connect("c", 0, lasting)
		a.disconnect("c", c, 0, false)
		a.append(share("c", c, 1)) // it was sent before the DISCONNECT
	}},
	{name: "Append_RemembersTheNewest", run: func(r *clientRig) {
		a := r.replica("a")
		c, other := a.connect("c", 0, lasting), a.connect("other", 0, lasting)
		var all []sluice.Delivered
		next := uint16(0)
		for _, n := range []int{1, 3, 0, 40, 19, 1, 1, 70, 2, 64} {
			var packets []uint16
			for range n {
				next++
				packets = append(packets, next)
			}
			g := share("c", c, packets...)
			all = append(all, g.Delivered...)
			a.append(share("other", other, 9), g)
			c = a.connect("c", 0, lasting)
			same(r.rig, "redelivery record", c.Delivered, all[max(len(all)-sluice.ClientDelivered, 0):])
		}
		if got := a.connect("other", 0, lasting); len(got.Delivered) != 10 {
			r.Fatalf("%d deliveries of the other client, want 10", len(got.Delivered))
		}
	}},
	{name: "Append_OfManyClients", run: func(r *clientRig) {
		const many = 2500 // more than a script takes in one command
		a := r.replica("a")
		var shares []sluice.GroupClient
		for i := range many {
			name := fmt.Sprint("c", i)
			c, err := r.s.Connect(r.ctx, a.lease, a.request(name, 0, lasting))
			r.ok(err)
			shares = append(shares, share(name, c, uint16(i)))
		}
		a.append(shares...)
		for _, i := range []int{0, 999, 1000, many - 1} {
			got := a.connect(shares[i].Client, 0, lasting)
			same(r.rig, "redelivery record", got.Delivered, shares[i].Delivered)
			shares[i].Connection = got.Connection
		}
		shares[many-2].Connection++
		a.stale(a.group(shares...), many-2)
	}},
	{name: "Append_BeyondTheDeviceLimit_LeavesClients", run: func(r *clientRig) {
		a := r.replica("a")
		r.settings.MaxDevices = 1
		c := a.connect("c", 0, lasting, lastWill("two", time.Second))
		r.tell(r.connect("one", 0))
		g := a.group(share("c", c, 1))
		g.Moves = []sluice.Move{a.willOf("c", c, "two", 0, time.Second)}
		before := r.clientImage()
		_, err := r.q.Append(r.ctx, g)
		if _, ok := errors.AsType[*sluice.DeviceLimitError](err); !ok {
			r.Fatalf("got error %v, want that of the limit", err)
		}
		same(r.rig, "store", r.clientImage(), before)
		g.Moves, g.Clients[0].Ended = nil, true // it became a dead letter
		r.appendGroup(g)
		if got := r.client("c"); got.Will != nil || got.Expires == 0 {
			r.Fatalf("got %+v, want an ended connection", got)
		}
	}},
}
