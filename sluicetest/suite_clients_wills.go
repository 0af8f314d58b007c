package sluicetest

import (
	"fmt"
	"sync"
	"time"

	"sluice"
)

// clientWillTests are of last wills: each is dealt with once.
var clientWillTests = []clientTest{
	{name: "Will_EndsItsConnection_Once", run: func(r *clientRig) {
		a := r.replica("a")
		c := a.connect("c", 0, lasting, lastWill("dev", 5*time.Second))
		a.will("c", c, "dev", time.Second, 5*time.Second)
		r.inState("dev", sluice.DeviceSuspect, 6*time.Second)
		if got := r.client("c"); got.Will != nil || got.Expires == 0 {
			r.Fatalf("got %+v, want an ended connection without a will", got)
		}
		r.tell(r.connect("dev", 2*time.Second))
		a.will("c", c, "dev", 3*time.Second, 5*time.Second)
		r.inState("dev", sluice.DeviceUp, 0)
		if got := r.status(sluice.AccountPresence).Account; got.Received != 3 || got.Stored != 3 {
			r.Fatalf("account %+v, want 3 received and stored", got)
		}
	}},
	{name: "Will_TwiceInAGroup_IsOne", run: func(r *clientRig) {
		a := r.replica("a")
		c := a.connect("c", 0, lasting, lastWill("dev", 5*time.Second))
		g := a.group()
		g.Moves = []sluice.Move{a.willOf("c", c, "dev", 0, 5*time.Second), r.connect("dev", time.Second), a.willOf("c", c, "dev", 0, 5*time.Second)}
		r.appendGroup(g)
		r.inState("dev", sluice.DeviceUp, 0)
	}},
	{name: "Will_OfOldConnection_IsPassedOver", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		old := a.connect("c", 0, lasting, lastWill("dev", 5*time.Second))
		b.connect("c", time.Second, lasting, lastWill("dev", 5*time.Second))
		r.settings.MaxDevices = 1
		g := a.group()
		g.Moves = []sluice.Move{a.willOf("c", old, "dev", 2*time.Second, 5*time.Second), r.connect("other", 0), a.willOf("nobody", old, "dev", 0, 0)}
		r.appendGroup(g) // "dev" does not become known, so there is room
		r.unknown("dev")
		r.inState("other", sluice.DeviceUp, 0)
		if got := r.client("c"); got.Will == nil || got.Expires != 0 {
			r.Fatalf("the newer connection has lost its will: %+v", got)
		}
	}},
	{name: "Will_IsWithdrawnByDisconnect", run: func(r *clientRig) {
		a := r.replica("a")
		c := a.connect("c", 0, lasting, lastWill("dev", 5*time.Second))
		a.disconnect("c", c, long, false)
		a.will("c", c, "dev", time.Second, 5*time.Second)
		r.unknown("dev")
	}},
	{name: "Will_ThatDisconnectLeaves_IsMade", run: func(r *clientRig) {
		a := r.replica("a")
		c := a.connect("c", 0, lasting, lastWill("dev", 5*time.Second))
		a.disconnect("c", c, time.Minute, true)
		expires := r.client("c").Expires
		a.will("c", c, "dev", time.Second, 5*time.Second)
		r.inState("dev", sluice.DeviceSuspect, 6*time.Second)
		if got := r.client("c"); got.Will != nil || got.Expires != expires {
			r.Fatalf("got %+v, want the expiry of the DISCONNECT", got)
		}
	}},
	{name: "Will_OnARoute_FinishesTheWill", run: func(r *clientRig) {
		a := r.replica("a")
		c := a.connect("c", 0, lasting, lastWill("dev", 5*time.Second))
		g := share("c", c, 1)
		g.Ended = true
		a.append(g)
		if got := r.client("c"); got.Will != nil || got.Expires == 0 {
			r.Fatalf("got %+v, want an ended connection without a will", got)
		}
		a.will("c", c, "dev", time.Second, 5*time.Second)
		r.unknown("dev")
		b := r.replica("b")
		b.connect("c", 0, lasting)
		g.Delivered = nil
		a.stale(a.group(g), 0)
	}},
	{name: "Connect_OfTheSameDevice_WithdrawsTheWill", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		a.connect("c", 0, lastWill("dev", time.Second))
		b.connect("c", time.Second, clean, lastWill("dev", time.Second))
		r.unknown("dev")
		b.connect("d", 0, lasting, lastWill("other", time.Second))
		a.connect("d", time.Second, lasting)
		r.unknown("other")
	}},
	{name: "Connect_WithCleanStart_LeavesTheDeviceItsGrace", run: func(r *clientRig) {
		r.knock(0, "down")
		r.tell(r.connect("short", 0))
		a := r.replica("a")
		a.connect("c", 0, lastWill("short", time.Second))
		a.connect("c", time.Second, clean)
		r.inState("short", sluice.DeviceSuspect, time.Second+grace)
		a.connect("d", 0, lastWill("new", 2*grace))
		a.connect("d", time.Second, clean, lastWill("else", time.Second))
		r.inState("new", sluice.DeviceSuspect, time.Second+2*grace)
		r.unknown("else")
		a.connect("e", 0, lastWill("down", time.Second))
		a.connect("e", time.Second, clean)
		r.inState("down", sluice.DeviceDown, 0)
		if d := r.device("short"); d.Due != sluice.CauseGrace || d.Lost != r.on(time.Second) {
			r.Fatalf("got %+v, want grace, and lost since the CONNECT", d)
		}
		r.tell(r.connect("short", 2*time.Second), r.connect("new", 2*time.Second))
		a.connect("c", 3*time.Second, clean)
		r.inState("short", sluice.DeviceUp, 0)
	}},
	{name: "Connect_OfASuspectDevice_GivesItItsGrace", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		c := a.connect("c", 0, lasting, lastWill("dev", time.Second))
		a.will("c", c, "dev", 10*time.Second, time.Second)
		b.connect("c", 10500*time.Millisecond, lasting, lastWill("dev", time.Second))
		r.inState("dev", sluice.DeviceSuspect, 10500*time.Millisecond+grace)
		d := a.connect("d", 0, lasting, lastWill("mute", time.Second))
		a.will("d", d, "mute", 10*time.Second, time.Second)
		b.connect("d", 10500*time.Millisecond, lasting) // it has no will any more
		r.inState("mute", sluice.DeviceSuspect, 10500*time.Millisecond+grace)
		e := a.connect("e", 0, lasting, lastWill("long", time.Hour))
		a.will("e", e, "long", 10*time.Second, time.Hour)
		b.connect("e", 20*time.Second, lasting, lastWill("long", time.Second))
		r.inState("long", sluice.DeviceSuspect, 10*time.Second+time.Hour)
	}},
}

// inheritTests are of replicas that are no more.
var inheritTests = []clientTest{
	{name: "Inherit_OfTheLiving_IsRefused", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		c := a.connect("c", 0, lasting, lastWill("dev", time.Second))
		for _, i := range []sluice.InheritRequest{
			b.inheritance("a", a.lease.Token, 0), b.inheritance("a", "other", 0), b.inheritance("a", "", 0),
			b.inheritance("b", b.lease.Token, 0), b.inheritance("b", "", 0),
		} {
			for _, cursor := range []string{"", "0"} {
				_, _, err := r.s.Inherit(r.ctx, b.lease, i, cursor)
				r.is("Inherit", err, sluice.ErrHeld)
			}
		}
		a.append(share("c", c, 1))
		r.unknown("dev")
		if clients, wills := b.inherit("nobody", "", 0); clients+wills > 0 {
			r.Fatalf("got %d connections and %d wills of nobody", clients, wills)
		}
	}},
	{name: "Inherit_OfRenewedLease_IsRefused", run: func(r *clientRig) {
		a, b := r.replicaFor("a", time.Millisecond), r.replica("b")
		r.pass(2 * time.Millisecond)
		r.ok(r.q.Renew(r.ctx, a.lease, long))
		_, _, err := r.s.Inherit(r.ctx, b.lease, b.inheritance("a", a.lease.Token, 0), "")
		r.is("Inherit", err, sluice.ErrHeld)
	}},
	{name: "Inherit_FencesAtOnce", run: func(r *clientRig) {
		a, b := r.replicaFor("a", time.Millisecond), r.replica("b")
		r.fill(a, 1500)
		r.pass(2 * time.Millisecond)
		a.append() // an expired lease still appends
		next, _, err := r.s.Inherit(r.ctx, b.lease, b.inheritance("a", a.lease.Token, 0), "")
		r.ok(err)
		if next == "" {
			r.Fatal("1500 clients were one page")
		}
		a.fenced()
		again, err := r.q.Lease(r.ctx, "a", "a", time.Millisecond) // whoever takes it meanwhile keeps it
		r.ok(err)
		r.pass(2 * time.Millisecond)
		_, _, err = r.s.Inherit(r.ctx, b.lease, b.inheritance("a", again.Token, 0), next)
		r.is("Inherit", err, sluice.ErrHeld)
	}},
	{name: "Inherit_WindsUpEverything", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		old := a.connect("moved", 0, lasting, lastWill("moved", time.Second))
		now := b.connect("moved", 0, lasting, lastWill("moved", time.Second))
		a.connect("short", 0, lasting, lastWill("short", time.Second))
		a.connect("long", 0, lasting, lastWill("long", time.Hour))
		a.connect("plain", 0, lasting)
		a.disconnect("left", a.connect("left", 0, lastWill("left", time.Second)), long, false)
		a.disconnect("half", a.connect("half", 0, lastWill("half", time.Second)), long, true)
		a.will("told", a.connect("told", 0, lasting, lastWill("told", time.Second)), "told", 8*time.Second, 4*time.Second)
		r.tell(r.connect("short", 0))
		r.ok(r.q.Unlease(r.ctx, a.lease))
		if clients, wills := b.inherit("a", "", 10*time.Second); clients != 3 || wills != 3 {
			r.Fatalf("%d connections ended and %d wills were made, want 3 and 3", clients, wills)
		}
		r.inState("short", sluice.DeviceSuspect, 10*time.Second+grace)
		r.inState("long", sluice.DeviceSuspect, 10*time.Second+time.Hour)
		r.inState("half", sluice.DeviceSuspect, 10*time.Second+grace)
		r.inState("told", sluice.DeviceSuspect, 10*time.Second+grace) // it had nobody to come back to
		r.unknown("moved")
		r.unknown("left")
		if d := r.device("short"); d.Due != sluice.CauseGrace || d.Lost != r.on(10*time.Second) {
			r.Fatalf("got %+v, want grace", d)
		}
		for _, c := range r.clients() {
			if open := c.Name == "moved"; (c.Expires == 0) != open || (c.Will != nil) != open {
				r.Fatalf("got %+v", c)
			}
		}
		same(r.rig, "doors", r.doors(), []string{"b"})
		a.fenced()
		b.append(share("moved", now, 1))
		if !b.connect("plain", 0, lasting).Resumed {
			r.Fatal("a session that outlives its replica is not resumed")
		}
		before := r.clientImage()
		if clients, wills := b.inherit("a", a.lease.Token, 20*time.Second); clients+wills > 0 || old.Connection == 0 {
			r.Fatalf("a second time: %d connections, %d wills", clients, wills)
		}
		same(r.rig, "store", r.clientImage(), before)
	}},
	{name: "Inherit_ByManyAtOnce_IsOne", run: func(r *clientRig) {
		a := r.replicaFor("a", time.Millisecond)
		r.fill(a, 2500)
		heirs := []*replica{r.replica("b"), r.replica("c"), r.replica("d")}
		r.pass(2 * time.Millisecond)
		var mu sync.Mutex
		var wg sync.WaitGroup
		clients, wills := 0, 0
		for _, p := range heirs {
			wg.Go(func() {
				for cursor, begun := "", false; !begun || cursor != ""; begun = true {
					next, done, err := r.s.Inherit(r.ctx, p.lease, p.inheritance("a", a.lease.Token, 0), cursor)
					if err != nil {
						r.Error(err)
						return
					}
					cursor = next
					mu.Lock()
					clients, wills = clients+done.Clients, wills+done.Wills
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if clients != 2500 || wills != 2500 {
			r.Fatalf("%d connections ended and %d wills were made, want 2500", clients, wills)
		}
		for _, d := range r.check() {
			if d.State != sluice.DeviceSuspect || d.Deadline != r.at(grace) {
				r.Fatalf("got %+v", d)
			}
		}
		same(r.rig, "doors", r.doors(), []string{"b", "c", "d"})
	}},
	{name: "Inherit_KeepsTheDeviceLimit", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		r.fill(a, 10)
		r.tell(r.connect("known", 0))
		r.settings.MaxDevices = 4
		r.ok(r.q.Unlease(r.ctx, a.lease))
		b.inherit("a", "", 0)
		if n := len(r.check()); n != 4 {
			r.Fatalf("%d devices are known, want 4", n)
		}
	}},
	{name: "Due_WaitsUntilADoorIsInherited", run: func(r *clientRig) {
		a, b := r.replicaFor("a", time.Millisecond), r.replica("b")
		c := a.connect("c", 0, lasting, lastWill("dev", time.Second))
		a.will("c", c, "dev", 0, time.Second)
		r.pass(2 * time.Millisecond)
		r.fallen(b, time.Minute, 0)
		g := a.group()
		g.CaughtUp = r.at(time.Millisecond)
		r.appendGroup(g)
		r.fallen(b, time.Minute, 0)
		r.ok(r.q.Unlease(r.ctx, a.lease))
		r.fallen(b, time.Minute, 0)
		b.inherit("a", "", time.Minute)
		r.fallen(b, time.Minute, 0)
		r.inState("dev", sluice.DeviceSuspect, time.Minute+grace)
		r.fallen(b, time.Hour, 1)
	}},
}

// fallen checks how many devices a replica takes down that has caught up at a time.
func (r *clientRig) fallen(p *replica, d time.Duration, want int) {
	r.Helper()
	g := p.group()
	g.CaughtUp = r.at(d)
	r.appendGroup(g)
	got, err := r.s.Due(r.ctx, p.lease, sluice.DueRequest{Now: r.at(d), Limit: 10})
	r.ok(err)
	if got.Fell != want {
		r.Fatalf("%d devices went down by %v, want %d", got.Fell, d, want)
	}
}

// fill connects n clients with a will each.
func (r *clientRig) fill(p *replica, n int) {
	r.Helper()
	for i := range n {
		name := fmt.Sprint("c", i)
		_, err := r.s.Connect(r.ctx, p.lease, p.request(name, 0, lasting, lastWill(name, time.Second)))
		r.ok(err)
	}
}

// broadcastTests are of what front doors tell each other.
var broadcastTests = []clientTest{
	{name: "Broadcast_ReachesEveryListener", run: func(r *clientRig) {
		first, second := r.listen(), r.listen()
		want := sluice.Broadcast{From: "a", Topic: "pulse/é", Payload: []byte("\x00\xff\r\n"), QoS: 1}
		r.hears(first, want, func() { r.ok(r.s.Broadcast(r.ctx, want)) })
		r.hears(second, want, func() { r.ok(r.s.Broadcast(r.ctx, want)) })
		empty := sluice.Broadcast{From: "b c", Topic: "t"}
		r.hears(first, empty, func() { r.ok(r.s.Broadcast(r.ctx, empty)) })
		hint := sluice.Broadcast{Client: "c d", Connection: 1 << 40}
		r.hears(second, hint, func() { r.ok(r.s.Broadcast(r.ctx, hint)) })
	}},
	{name: "Connect_TellsOfATakeover", run: func(r *clientRig) {
		a, b := r.replica("a"), r.replica("b")
		heard := r.listen()
		for {
			a.connect("c", 0)
			c := b.connect("c", 0)
			if r.hearsOnce(heard, sluice.Broadcast{Client: "c", Connection: c.Connection}) {
				return
			}
		}
	}},
	{name: "Listen_EndsWithItsContext", run: func(r *clientRig) {
		r.listen()
	}},
}
