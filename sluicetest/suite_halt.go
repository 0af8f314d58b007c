package sluicetest

import (
	"time"

	"sluice"
)

var haltTests = []queueTest{
	{name: "Halted_ShowsWhyAndSince", run: func(r *rig) {
		r.batches(numbered(0, 1))
		r.release(r.claim(door), sluice.Retry{Reason: "no such table", Halted: true})
		first := r.status(door)
		if first.Halted != "no such table" || first.HaltedSince.IsZero() {
			r.Fatalf("got halted %q since %v", first.Halted, first.HaltedSince)
		}
		r.pass(2 * time.Millisecond)
		r.release(r.claim(door), sluice.Retry{Reason: "no such table", Halted: true})
		if s := r.status(door); !s.HaltedSince.Equal(first.HaltedSince) {
			r.Fatalf("got halted since %v, want when it was halted first, %v", s.HaltedSince, first.HaltedSince)
		}
		r.release(r.claim(door), sluice.Retry{Reason: "timeout"})
		if s := r.status(door); s.Halted == "" {
			r.Fatal("an ordinary failure ended the halt")
		}
		r.complete(r.claim(door))
		if s := r.status(door); s.Halted != "" || !s.HaltedSince.IsZero() {
			r.Fatalf("got halted %q since %v after a success", s.Halted, s.HaltedSince)
		}
	}},
	{name: "Halted_TriesOnlyItsOldest", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1), numbered(2, 1), numbered(3, 1))
		oldest, second, third := r.mustClaim(door, 3, long), r.mustClaim(door, 3, long), r.mustClaim(door, 3, long)
		r.release(third, sluice.Retry{})
		r.release(second, sluice.Retry{Halted: true})
		r.release(oldest, sluice.Retry{After: 2 * time.Millisecond, Halted: true})
		r.eventually("the oldest batch", func() bool {
			c := r.tryClaim(door, 4).Claim
			if c != nil {
				same(r, "batch", payloads(c), numbered(0, 1))
				oldest = c
			}
			return c != nil
		})
		r.none(door, 4) // neither those in retry nor the sealed one, while it is tried
		r.release(oldest, sluice.Retry{After: long, Halted: true})
		if wait := r.none(door, 4); wait <= 0 || wait > long {
			r.Fatalf("got wait %v, want until the oldest is due", wait)
		}
		r.ok(r.q.Resume(r.ctx, door))
		oldest = r.mustClaim(door, 4, long)
		same(r, "batch after Resume", payloads(oldest), numbered(0, 1))
		r.complete(oldest)
		for range 3 {
			r.complete(r.mustClaim(door, 1, long))
		}
	}},
	{name: "Halted_WorkerDied_IsTakenOver", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1))
		r.release(r.claim(door), sluice.Retry{Halted: true})
		r.mustClaim(door, 1, time.Millisecond)
		r.pass(2 * time.Millisecond)
		c := r.claim(door)
		same(r, "batch", payloads(c), numbered(0, 1))
		r.complete(c)
		same(r, "rest", r.drain(door), [][]string{{"m1"}})
	}},
	{name: "Halted_EndsWithAnySuccess", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1))
		a, b := r.mustClaim(door, 2, long), r.mustClaim(door, 2, long)
		r.release(a, sluice.Retry{After: long, Halted: true})
		r.complete(b)
		if s := r.status(door); s.Halted != "" {
			r.Fatalf("got halted %q after a success", s.Halted)
		}
	}},
	{name: "Halted_StaysWithItsQueue", run: func(r *rig) {
		r.batches(numbered(0, 1))
		r.append(part("other", by(1, sluice.Never), "x"))
		r.release(r.claim(door), sluice.Retry{After: long, Halted: true})
		r.complete(r.claim("other"))
		if s := r.status(door); s.Halted == "" {
			r.Fatal("the success of another queue ended the halt")
		}
	}},
	{name: "Halted_StillAppends", run: func(r *rig) {
		r.batches(numbered(0, 1))
		r.release(r.claim(door), sluice.Retry{After: long, Halted: true})
		r.batches(numbered(1, 1), numbered(2, 1))
		r.none(door, 5)
		if s := r.status(door); s.Batches != 3 {
			r.Fatalf("got %d batches, want 3", s.Batches)
		}
	}},
}
