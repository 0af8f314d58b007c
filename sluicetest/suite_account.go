package sluicetest

import (
	"encoding/json"
	"fmt"
	"time"

	"sluice"
)

var accountTests = []queueTest{
	{name: "Complete_CountsTheOutcome", run: func(r *rig) {
		r.batches(numbered(0, 10))
		c := r.claim(door)
		r.completeWith(c, sluice.Outcome{
			Stored: 4, Duplicate: 3, Dead: letters(c, 2, "x"), Dropped: map[string]int{sluice.DropUnstorable: 1},
		})
		same(r, "account", r.status(door).Account, sluice.Account{
			Received: 10, Stored: 4, Duplicate: 3, Dead: 2, Dropped: map[string]int64{sluice.DropUnstorable: 1},
		})
		same(r, "account of the dead", r.status(sluice.QueueDead).Account, sluice.Account{Received: 2})
	}},
	{name: "Complete_StoresDeadLetters", run: func(r *rig) {
		r.batches([]string{"good", "bad \x00\xff", ""})
		c := r.claim(door)
		want := letters(c, 3, "dévice\n\"")[1:]
		want[1].Device = ""
		r.completeWith(c, sluice.Outcome{Stored: 1, Dead: want})
		same(r, "dead letters", r.deadLetters(), want)
	}},
	{name: "Complete_DropsAboveQuota", options: QueueOptions{DeadPerDevice: 3}, run: func(r *rig) {
		r.batches(numbered(0, 7), numbered(7, 2))
		c := r.claim(door)
		dead := append(letters(c, 5, "broken"), letters(c, 2, "fine")...)
		r.completeWith(c, sluice.Outcome{Dead: dead})
		c = r.claim(door)
		r.completeWith(c, sluice.Outcome{Dead: append(letters(c, 1, "broken"), letters(c, 1, "fine")...)})
		same(r, "account", r.status(door).Account, sluice.Account{
			Received: 9, Dead: 6, Dropped: map[string]int64{sluice.DropDeadQuota: 3},
		})
		kept := map[string]int{}
		for _, d := range r.deadLetters() {
			kept[d.Device]++
		}
		same(r, "dead letters by device", kept, map[string]int{"broken": 3, "fine": 3})
	}},
	{name: "Append_StoresDeadLetters", run: func(r *rig) {
		g := r.group(part(door, by(10, sluice.Never), "m"))
		for i := range 3 {
			g.Dead = append(g.Dead, sluice.DeadLetter{
				Route: door, Device: "d", Topic: "data/door/d", Payload: []byte{0, byte(i)}, Reason: sluice.ReasonTooLarge,
				Received: time.UnixMicro(1_763_000_000_123_456), At: time.UnixMicro(1_763_000_000_123_457),
			})
		}
		g.Dead[1].Route = "not yet seen"
		receipt := r.appendGroup(g)
		if receipt.Dead.Open != 3 || receipt.Dead.Sealed != 0 {
			r.Fatalf("got receipt %+v, want 3 open dead letters", receipt.Dead)
		}
		same(r, "account", r.status(door).Account, sluice.Account{Received: 3, Dead: 2})
		same(r, "account of the new route", r.status("not yet seen").Account, sluice.Account{Received: 1, Dead: 1})
		r.balanced("not yet seen")
		same(r, "dead letters", r.deadLetters(), g.Dead)
	}},
	{name: "Append_SealsDeadLetters", run: func(r *rig) {
		g := r.group()
		for i := range sluice.DeadPolicy().Max + 1 {
			g.Dead = append(g.Dead, sluice.DeadLetter{Route: door, Device: fmt.Sprint(i), Topic: "t"})
		}
		if receipt := r.appendGroup(g); receipt.Dead.Sealed != 1 || receipt.Dead.Open != 1 {
			r.Fatalf("got receipt %+v, want one sealed batch and one open message", receipt.Dead)
		}
		if c := r.claim(sluice.QueueDead); len(c.Batch.Messages) != sluice.DeadPolicy().Max {
			r.Fatalf("got a batch of %d", len(c.Batch.Messages))
		}
	}},
	{name: "Append_CountsDrops", run: func(r *rig) {
		g := r.group(part(door, by(10, sluice.Never), "m"))
		g.Drops = []sluice.Drop{{Route: door, Cause: sluice.DropOverlap, Count: 3}, {Route: door, Cause: sluice.DropRetained, Count: 1}, {Route: "b", Cause: sluice.DropOverlap, Count: 2}}
		r.appendGroup(g)
		r.appendGroup(g) // repeated: counts nothing
		same(r, "account", r.status(door).Account, sluice.Account{
			Received: 5, Dropped: map[string]int64{sluice.DropOverlap: 3, sluice.DropRetained: 1},
		})
		same(r, "account of b", r.status("b").Account, sluice.Account{Received: 2, Dropped: map[string]int64{sluice.DropOverlap: 2}})
		r.balanced("b")
	}},
	{name: "Status_OfUnknownQueue_IsZeroWithItsName", run: func(r *rig) {
		same(r, "status", r.status("unknown"), sluice.QueueStatus{Queue: "unknown"})
	}},
	{name: "Status_CountsByState", run: func(r *rig) {
		p := by(2, sluice.Never)
		r.append(part(door, p, numbered(0, 9)...)) // four batches of two, one open
		r.pass(5 * time.Millisecond)
		claimed, retried := r.mustClaim(door, 2, long), r.mustClaim(door, 2, long)
		r.release(retried, sluice.Retry{After: long})
		r.ok(r.q.Extend(r.ctx, claimed, long))
		s := r.status(door)
		if s.OldestAge < 5*time.Millisecond || s.OldestAge > long {
			r.Errorf("got oldest age %v, want 5ms or more", s.OldestAge)
		}
		s.OldestAge = 0
		same(r, "status", s, sluice.QueueStatus{
			Queue: door, Account: sluice.Account{Received: 9},
			Open: 1, Sealed: 4, Claimed: 2, Retry: 2, Batches: 4,
			Bytes: int64(9 * (sluice.FrameHeader + len(door) + len("m0"))),
		})
		r.complete(claimed)
		r.ok(r.q.Resume(r.ctx, door))
		r.drain(door)
		if s := r.status(door); s.Queued() != 1 || s.Batches != 0 || s.Account.Stored != 8 {
			r.Errorf("got %+v, want one open message left", s)
		}
		r.append(part(door, p, "m9"))
		r.drain(door)
		if s := r.status(door); s.Queued() != 0 || s.Bytes != 0 || s.OldestAge != 0 {
			r.Errorf("got %+v, want an empty queue", s)
		}
	}},
}

// letters makes dead letters of the first n messages of a claim.
func letters(c *sluice.Claim, n int, device string) []sluice.DeadLetter {
	out := make([]sluice.DeadLetter, n)
	for i := range out {
		m := c.Batch.Messages[i]
		out[i] = sluice.DeadLetter{
			Batch: c.Batch.ID, Index: i, Route: c.Batch.Route, Device: device, Topic: m.Topic, Payload: m.Payload,
			Received: m.Received, Reason: sluice.ReasonData, Code: "22003", Detail: "out of \"range\"\n", At: time.UnixMicro(1_763_000_000_000_001),
		}
	}
	return out
}

// deadLetters empties QueueDead.
func (r *rig) deadLetters() (out []sluice.DeadLetter) {
	r.Helper()
	for _, m := range r.empty(sluice.QueueDead) {
		var d sluice.DeadLetter
		r.ok(json.Unmarshal(m.Payload, &d))
		if m.Topic != d.Topic {
			r.Fatalf("dead letter of topic %q under topic %q", d.Topic, m.Topic)
		}
		out = append(out, d)
	}
	return out
}

// empty completes everything in a queue, also what is not yet sealed, and returns
// the messages.
func (r *rig) empty(queue string) (out []sluice.Message) {
	r.Helper()
	now := sluice.Policy{Timeout: time.Millisecond}.Resolve()
	r.eventually("the open batch of "+queue+" to be sealed", func() bool {
		_, err := r.q.Seal(r.ctx, queue, now)
		r.ok(err)
		return r.status(queue).Open == 0
	})
	for {
		c := r.tryClaim(queue, 1).Claim
		if c == nil {
			return out
		}
		out = append(out, c.Batch.Messages...)
		r.complete(c)
	}
}
