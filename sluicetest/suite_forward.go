package sluicetest

import (
	"time"

	"sluice"
)

// forwardTests are of what a batch leaves behind: messages for other queues, and
// a note.
var forwardTests = []queueTest{
	{name: "Complete_Forwards", run: func(r *rig) {
		r.batches(numbered(0, 2))
		c := r.claim(door)
		parts := []sluice.Part{part("out/a", by(2, sluice.Never), numbered(0, 5)...), part("out/b", by(9, sluice.Never), "x")}
		r.completeWith(c, sluice.Outcome{Stored: 2, Forward: parts})
		same(r, "account", r.status(door).Account, sluice.Account{Received: 2, Stored: 2})
		same(r, "account of a", r.status("out/a").Account, sluice.Account{Received: 5})
		same(r, "account of b", r.status("out/b").Account, sluice.Account{Received: 1})
		if a, b := r.status("out/a"), r.status("out/b"); a.Sealed != 4 || a.Open != 1 || b.Open != 1 || a.Balance() != 0 || b.Balance() != 0 {
			r.Fatalf("got %+v and %+v, want 4 sealed and 1 open, and 1 open", a, b)
		}
		same(r, "batches of a", r.drain("out/a"), [][]string{{"m0", "m1"}, {"m2", "m3"}})
	}},
	{name: "Complete_ForwardsBytesAndTimes", run: func(r *rig) {
		r.batches(numbered(0, 1))
		p := sluice.Part{Queue: "out", Policy: by(3, sluice.Never)}
		want := []sluice.Message{
			{Topic: "ä/\x01", Payload: []byte("\x00\xff\r\n"), Received: time.UnixMicro(1_763_000_000_123_456)},
			{Topic: "t", Received: time.UnixMicro(1<<53 + 1)},
			{Topic: "t", Payload: []byte("nil"), Received: time.UnixMicro(0)},
		}
		for _, m := range want {
			p.Frame.Append([]byte(m.Topic), m.Payload, m.Received.UnixMicro())
		}
		r.completeWith(r.claim(door), sluice.Outcome{Stored: 1, Forward: []sluice.Part{p}})
		same(r, "messages", r.claim("out").Batch.Messages, want)
	}},
	{name: "Complete_OfLostClaim_ForwardsNothing", run: func(r *rig) {
		r.batches(numbered(0, 1))
		old := r.mustClaim(door, 1, time.Millisecond)
		r.pass(2 * time.Millisecond)
		c := r.claim(door)
		o := sluice.Outcome{Stored: 1, Forward: []sluice.Part{part("out", by(1, sluice.Never), "m")}}
		r.is("Complete", r.q.Complete(r.ctx, old, o), sluice.ErrLost)
		same(r, "account", r.status("out").Account, sluice.Account{})
		r.completeWith(c, o)
		r.is("Complete again", r.q.Complete(r.ctx, c, o), sluice.ErrLost)
		same(r, "batches", r.drain("out"), [][]string{{"m"}})
		r.balanced("out")
	}},
	{name: "Watch_OfForward", run: func(r *rig) {
		r.append(part(door, by(1, sluice.Never), numbered(0, 500)...))
		r.watched("out", func() {
			if c := r.tryClaim(door, 1).Claim; c != nil {
				r.completeWith(c, sluice.Outcome{Stored: 1, Forward: []sluice.Part{part("out", by(1, sluice.Never), "m")}})
			}
		})
	}},
	{name: "Note_IsOfEveryLaterClaim", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1))
		c := r.claim(door)
		if c.Batch.Note != nil {
			r.Fatalf("got note %q at first, want none", c.Batch.Note)
		}
		for _, note := range []string{"first", "sent 1 of 3\x00\xff\r\n", "third"} {
			r.ok(r.q.Note(r.ctx, c, []byte(note)))
			r.release(c, sluice.Retry{})
			c = r.claim(door)
			same(r, "note", string(c.Batch.Note), note)
		}
		r.complete(c)
		same(r, "note of the next batch", string(r.claim(door).Batch.Note), "third")
		r.append(part("other", by(1, sluice.Never), "x"))
		same(r, "note of another queue", r.claim("other").Batch.Note, []byte(nil))
	}},
	{name: "Note_RetainsNothing", run: func(r *rig) {
		r.batches(numbered(0, 1))
		c, note := r.claim(door), []byte("note")
		r.ok(r.q.Note(r.ctx, c, note))
		clear(note)
		r.release(c, sluice.Retry{})
		same(r, "note", string(r.claim(door).Batch.Note), "note")
	}},
	{name: "Note_OfLostClaim_IsRefused", run: func(r *rig) {
		r.batches(numbered(0, 1))
		old := r.mustClaim(door, 1, time.Millisecond)
		r.ok(r.q.Note(r.ctx, old, []byte("mine")))
		r.pass(2 * time.Millisecond)
		c := r.claim(door)
		r.is("Note", r.q.Note(r.ctx, old, []byte("late")), sluice.ErrLost)
		r.release(c, sluice.Retry{})
		r.is("Note", r.q.Note(r.ctx, c, []byte("late")), sluice.ErrLost)
		same(r, "note", string(r.claim(door).Batch.Note), "mine")
	}},
}
