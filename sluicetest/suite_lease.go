package sluicetest

import (
	"slices"
	"time"

	"sluice"
)

var leaseTests = []queueTest{
	{name: "Lease_KnowsTheFiltersOfItsSession", run: func(r *rig) {
		l, err := r.q.Lease(r.ctx, "s", "a", long)
		r.ok(err)
		if l.Filters != nil || l.Session != "s" || l.Token == "" || len(l.Delivered) != 0 {
			r.Fatalf("got %+v, want the first lease of session s", l)
		}
		r.lease = l
		r.append(part(door, by(10, sluice.Never), "m"))
		for _, filters := range [][]string{{"a/+", "b"}, {"b"}, {}} {
			r.ok(r.q.Subscribe(r.ctx, r.lease, filters))
			again, err := r.q.Lease(r.ctx, "s", "a", long)
			r.ok(err)
			if again.Filters == nil || !slices.Equal(again.Filters, filters) {
				r.Fatalf("Filters: got %q, want %q", again.Filters, filters)
			}
			r.lease, r.number = again, 0
		}
		other, err := r.q.Lease(r.ctx, "other", "a", long)
		r.ok(err)
		if other.Filters != nil {
			r.Fatalf("Filters: got %q for a session that never subscribed", other.Filters)
		}
	}},
	{name: "Lease_HeldByAnother_IsRefused", run: func(r *rig) {
		r.append(part(door, by(10, sluice.Never), "m"))
		_, err := r.q.Lease(r.ctx, "s", "b", long)
		r.is("Lease", err, sluice.ErrHeld)
		r.append(part(door, by(10, sluice.Never), "n")) // not disturbed
	}},
	{name: "Lease_BySameHolder_FencesItsOldToken", run: func(r *rig) {
		r.append(part(door, by(10, sluice.Never), "m"))
		old := r.lease
		l, err := r.q.Lease(r.ctx, "s", "a", long)
		r.ok(err)
		if l.Token == old.Token {
			r.Fatal("the new token is the old one")
		}
		r.fenced(old)
		r.lease, r.number = l, 0
		r.append(part(door, by(10, sluice.Never), "n"))
	}},
	{name: "Lease_Expired_IsTakenByAnother", run: func(r *rig) {
		old, err := r.q.Lease(r.ctx, "s", "a", time.Millisecond)
		r.ok(err)
		r.eventually("the lease to expire", func() bool {
			l, err := r.q.Lease(r.ctx, "s", "b", long)
			r.lease = l
			return err == nil
		})
		r.fenced(old)
		r.append(part(door, by(10, sluice.Never), "m"))
	}},
	{name: "Lease_Expired_StillAppends", run: func(r *rig) {
		l, err := r.q.Lease(r.ctx, "s", "a", time.Millisecond)
		r.ok(err)
		r.pass(2 * time.Millisecond)
		r.lease = l
		r.append(part(door, by(10, sluice.Never), "m"))
	}},
	{name: "Renew_Prolongs", run: func(r *rig) {
		l, err := r.q.Lease(r.ctx, "s", "a", time.Millisecond)
		r.ok(err)
		r.ok(r.q.Renew(r.ctx, l, long))
		r.pass(2 * time.Millisecond)
		_, err = r.q.Lease(r.ctx, "s", "b", long)
		r.is("Lease", err, sluice.ErrHeld)
	}},
	{name: "Renew_OfExpiredLease_HoldsAgain", run: func(r *rig) {
		l, err := r.q.Lease(r.ctx, "s", "a", time.Millisecond)
		r.ok(err)
		r.pass(2 * time.Millisecond)
		r.ok(r.q.Renew(r.ctx, l, long))
		_, err = r.q.Lease(r.ctx, "s", "b", long)
		r.is("Lease", err, sluice.ErrHeld)
		r.lease = l
		r.append(part(door, by(10, sluice.Never), "m"))
	}},
	{name: "Unlease_LetsAnotherInAtOnce", run: func(r *rig) {
		r.append(part(door, by(10, sluice.Never), "m"))
		old := r.lease
		r.ok(r.q.Unlease(r.ctx, old))
		r.ok(r.q.Unlease(r.ctx, old))
		l, err := r.q.Lease(r.ctx, "s", "b", long)
		r.ok(err)
		r.fenced(old)
		r.lease, r.number = l, 0
		r.append(part(door, by(10, sluice.Never), "n"))
	}},
	{name: "Sessions_AreIndependent", run: func(r *rig) {
		r.append(part(door, by(10, sluice.Never), "m1"))
		other := &rig{T: r.T, ctx: r.ctx, q: r.q}
		l, err := r.q.Lease(r.ctx, "other", "b", long)
		r.ok(err)
		other.lease = l
		other.append(part(door, by(10, sluice.Never), "m2"))
		r.append(part(door, by(10, sluice.Never), "m3"))
		if s := r.status(door); s.Open != 3 {
			r.Fatalf("got %d open messages, want 3", s.Open)
		}
	}},
	{name: "Delivered_IsRemembered", run: testDelivered},
	{name: "Forget_ClearsDelivered", run: func(r *rig) {
		g := r.group()
		g.Delivered = []sluice.Delivered{{PacketID: 1, Hash: 2}}
		r.appendGroup(g)
		r.ok(r.q.Forget(r.ctx, r.lease))
		r.recorded(nil, 0)
		g = r.group()
		g.Delivered = []sluice.Delivered{{PacketID: 3, Hash: 4}}
		r.appendGroup(g)
		r.recorded([]sluice.Delivered{{PacketID: 3, Hash: 4}}, 1)
	}},
}

// testDelivered appends groups of several sizes and checks after each that the
// record ends with the newest Remember, also those of earlier leases.
func testDelivered(r *rig) {
	const remember = 10
	var all []sluice.Delivered
	for i, n := range []int{1, 0, 4, 3, 7, 25, 2, 0, 9, 1, 1} {
		g := r.group(part(door, by(10, sluice.Never), "m"))
		g.Remember = remember
		for range n {
			d := sluice.Delivered{PacketID: uint16(65535 - len(all)), Hash: 1<<64 - 1 - uint64(len(all))<<40}
			all = append(all, d)
			g.Delivered = append(g.Delivered, d)
		}
		r.appendGroup(g)
		if i%2 == 0 { // a repeat adds nothing
			r.appendGroup(g)
		}
		r.recorded(all, remember)
	}
}

// recorded takes a new lease and checks its redelivery record: at least the
// newest n of all, and nothing that was not there.
func (r *rig) recorded(all []sluice.Delivered, n int) {
	r.Helper()
	l, err := r.q.Lease(r.ctx, "s", "a", long)
	r.ok(err)
	got := l.Delivered
	if len(got) < min(n, len(all)) || len(got) > len(all) {
		r.Fatalf("got a record of %d, want %d to %d", len(got), min(n, len(all)), len(all))
	}
	if len(got) > 0 {
		same(r, "redelivery record", got, all[len(all)-len(got):])
	}
	r.lease, r.number = l, 0
}

// fenced checks that a lease's token is not valid any more, and that giving it up
// disturbs nobody.
func (r *rig) fenced(l sluice.Lease) {
	r.Helper()
	before := r.status(door)
	g := &sluice.Group{Lease: l, Number: 1, Parts: []sluice.Part{part(door, by(10, sluice.Never), "late")}}
	for range 3 { // whatever the number
		_, err := r.q.Append(r.ctx, g)
		r.is("Append", err, sluice.ErrFenced)
		g.Number++
	}
	r.is("Renew", r.q.Renew(r.ctx, l, long), sluice.ErrFenced)
	r.is("Forget", r.q.Forget(r.ctx, l), sluice.ErrFenced)
	r.is("Subscribe", r.q.Subscribe(r.ctx, l, nil), sluice.ErrFenced)
	r.ok(r.q.Unlease(r.ctx, l))
	_, err := r.q.Lease(r.ctx, l.Session, "third", long)
	r.is("Lease after a stranger's Unlease", err, sluice.ErrHeld)
	if after := r.status(door); after.Account.Received != before.Account.Received {
		r.Fatal("a fenced append was stored")
	}
}
