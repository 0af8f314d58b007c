package sluicetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sluice"
)

var claimTests = []queueTest{
	{name: "Claim_OfNothing", run: func(r *rig) {
		if wait := r.none("unknown", 1); wait != 0 {
			r.Fatalf("got wait %v for an empty queue, want 0", wait)
		}
		r.append(part(door, by(10, sluice.Never), "open"))
		if wait := r.none(door, 1); wait != 0 {
			r.Fatalf("got wait %v for an open batch, want 0", wait)
		}
	}},
	{name: "Claim_GivesWholeBatch", run: func(r *rig) {
		r.batches(numbered(0, 250), numbered(250, 1))
		c := r.claim(door)
		if c.Batch.Route != door || c.Batch.Attempt != 1 || c.Batch.ID == (sluice.BatchID{}) || c.Token == "" {
			r.Fatalf("got claim %q of batch %v, attempt %d of %q", c.Token, c.Batch.ID, c.Batch.Attempt, c.Batch.Route)
		}
		same(r, "messages", payloads(c), numbered(0, 250))
	}},
	{name: "Claim_InOrderOfSealing", run: func(r *rig) {
		var want [][]string
		for i := range 12 {
			want = append(want, numbered(i, 1))
		}
		r.batches(want...)
		same(r, "batches", r.drain(door), want)
	}},
	{name: "Claim_AtConcurrencyOne_HoldsTheRest", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1))
		c := r.claim(door)
		if wait := r.none(door, 1); wait <= 0 || wait > long {
			r.Fatalf("got wait %v, want until the claim expires", wait)
		}
		r.complete(c)
		same(r, "second batch", payloads(r.claim(door)), numbered(1, 1))
	}},
	{name: "Claim_AtConcurrencyThree", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1), numbered(2, 1), numbered(3, 1))
		var claims []*sluice.Claim
		for i := range 3 {
			claims = append(claims, r.mustClaim(door, 3, long))
			same(r, "batch", payloads(claims[i]), numbered(i, 1))
		}
		r.none(door, 3)
		r.release(claims[1], sluice.Retry{After: long})
		r.none(door, 3) // a batch in retry counts
		r.complete(claims[2])
		same(r, "batch", payloads(r.mustClaim(door, 3, long)), numbered(3, 1))
	}},
	{name: "Claim_Expired_IsTakenOver", run: func(r *rig) {
		r.batches(numbered(0, 3), numbered(3, 1))
		old := r.mustClaim(door, 1, time.Millisecond)
		r.pass(2 * time.Millisecond)
		c := r.claim(door)
		if c.Batch.Attempt != 2 || c.Token == old.Token {
			r.Fatalf("got attempt %d, token %q after %q", c.Batch.Attempt, c.Token, old.Token)
		}
		sameBatch(r, c, old)
		r.lost(old)
		r.complete(c)
		r.lost(old)
	}},
	{name: "Claim_ExpiredAndUntaken_StillHolds", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1), numbered(2, 1))
		c := r.mustClaim(door, 1, time.Millisecond)
		r.pass(2 * time.Millisecond)
		r.ok(r.q.Extend(r.ctx, c, long))
		r.none(door, 1)
		r.complete(c)

		c = r.mustClaim(door, 1, time.Millisecond)
		r.pass(2 * time.Millisecond)
		r.complete(c)

		c = r.mustClaim(door, 1, time.Millisecond)
		r.pass(2 * time.Millisecond)
		r.release(c, sluice.Retry{})
	}},
	{name: "Claim_WaitsForTheNearest", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1))
		far := r.mustClaim(door, 2, 10*long)
		if wait := r.none(door, 1); wait <= 9*long || wait > 10*long {
			r.Fatalf("got wait %v, want 10h", wait)
		}
		near := r.mustClaim(door, 2, long)
		if wait := r.none(door, 2); wait <= 0 || wait > long {
			r.Fatalf("got wait %v, want 1h", wait)
		}
		r.release(near, sluice.Retry{After: 5 * long})
		if wait := r.none(door, 2); wait <= long || wait > 5*long {
			r.Fatalf("got wait %v, want 5h", wait)
		}
		r.ok(r.q.Extend(r.ctx, far, 2*long))
		if wait := r.none(door, 2); wait <= 0 || wait > 2*long {
			r.Fatalf("got wait %v, want 2h", wait)
		}
	}},
	{name: "Claim_OrderOfStates", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1), numbered(2, 1))
		retried := r.mustClaim(door, 3, long)
		r.mustClaim(door, 3, time.Millisecond)
		r.release(retried, sluice.Retry{})
		r.pass(2 * time.Millisecond)
		for _, m := range []int{1, 0, 2} { // expired, in retry, sealed
			same(r, "batch", payloads(r.mustClaim(door, 3, long)), numbered(m, 1))
		}
	}},
	{name: "Claim_UnderForeignToken_IsLost", run: func(r *rig) {
		r.batches(numbered(0, 1))
		c := r.claim(door)
		r.lost(&sluice.Claim{Token: c.Token + "x", Batch: c.Batch})
		r.lost(&sluice.Claim{Token: "", Batch: c.Batch})
		r.lost(&sluice.Claim{Token: c.Token, Batch: &sluice.Batch{ID: sluice.NewBatchID(), Route: door, Messages: c.Batch.Messages}})
		r.complete(c)
	}},
	{name: "Extend_Prolongs", run: func(r *rig) {
		r.batches(numbered(0, 1))
		c := r.mustClaim(door, 1, time.Millisecond)
		r.ok(r.q.Extend(r.ctx, c, long))
		r.pass(2 * time.Millisecond)
		if wait := r.none(door, 1); wait <= time.Minute || wait > long {
			r.Fatalf("got wait %v, want about 1h", wait)
		}
	}},
	{name: "Complete_EndsTheClaim", run: func(r *rig) {
		r.batches(numbered(0, 2))
		c := r.claim(door)
		r.complete(c)
		r.lost(c)
		r.none(door, 1)
	}},
	{name: "Release_RetriesWhenDue", run: func(r *rig) {
		r.batches(numbered(0, 2), numbered(2, 1))
		first := r.claim(door)
		r.release(first, sluice.Retry{After: 5 * time.Millisecond, Reason: "busy"})
		r.lost(first)
		var c *sluice.Claim
		r.eventually("the retry", func() bool {
			c = r.tryClaim(door, 1).Claim
			return c != nil
		})
		if c.Batch.Attempt != 2 {
			r.Fatalf("got attempt %d, want 2", c.Batch.Attempt)
		}
		sameBatch(r, c, first)
		r.lost(first)
	}},
	{name: "Release_HoldsTheRest", run: func(r *rig) {
		r.batches(numbered(0, 1), numbered(1, 1))
		r.release(r.claim(door), sluice.Retry{After: long})
		if wait := r.none(door, 1); wait <= 0 || wait > long {
			r.Fatalf("got wait %v, want until the retry", wait)
		}
		same(r, "batch", payloads(r.mustClaim(door, 2, long)), numbered(1, 1))
	}},
	{name: "Attempts_SeeTheSameBatch", run: func(r *rig) {
		r.batches(numbered(0, 40))
		first := r.claim(door)
		for c, i := first, 2; i < 9; i++ {
			r.release(c, sluice.Retry{})
			c = r.claim(door)
			if c.Batch.Attempt != i {
				r.Fatalf("got attempt %d, want %d", c.Batch.Attempt, i)
			}
			sameBatch(r, c, first)
		}
	}},
	{name: "Resume_MakesRetriesDue", run: func(r *rig) {
		r.ok(r.q.Resume(r.ctx, "unknown"))
		r.batches(numbered(0, 1), numbered(1, 1), numbered(2, 1))
		a, b := r.mustClaim(door, 2, long), r.mustClaim(door, 2, long)
		r.release(a, sluice.Retry{After: long})
		r.release(b, sluice.Retry{After: 2 * long})
		r.none(door, 2)
		r.ok(r.q.Resume(r.ctx, door))
		got := []string{payloads(r.mustClaim(door, 2, long))[0], payloads(r.mustClaim(door, 2, long))[0]}
		if !(got[0] == "m0" && got[1] == "m1" || got[0] == "m1" && got[1] == "m0") {
			r.Fatalf("got %q, want both that were in retry", got)
		}
		r.balanced(door)
	}},
	{name: "Workers_NeverShareABatch", run: testWorkers},
}

// sameBatch checks that two claims are of one batch.
func sameBatch(r *rig, got, want *sluice.Claim) {
	r.Helper()
	if got.Batch.ID != want.Batch.ID {
		r.Fatalf("got batch %v, want %v", got.Batch.ID, want.Batch.ID)
	}
	same(r, "messages", got.Batch.Messages, want.Batch.Messages)
}

// testWorkers lets more workers than the concurrency allows claim and complete:
// no message is handled twice, and no more than concurrency batches at a time.
func testWorkers(r *rig) {
	const workers, concurrency, size, batches = 8, 3, 4, 40
	r.append(part(door, by(size, sluice.Never), numbered(0, size*batches)...))
	var held, handled atomic.Int64
	var seen sync.Map
	work := func() error {
		got, err := r.q.Claim(r.ctx, sluice.ClaimRequest{Queue: door, Concurrency: concurrency, TTL: long})
		if err != nil || got.Claim == nil {
			return err
		}
		if n := held.Add(1); n > concurrency {
			return fmt.Errorf("%d batches are claimed", n)
		}
		for _, m := range got.Claim.Batch.Messages {
			if _, twice := seen.LoadOrStore(string(m.Payload), true); twice {
				return fmt.Errorf("message %s was claimed twice", m.Payload)
			}
		}
		held.Add(-1) // before the store lets the next one go
		handled.Add(1)
		return r.q.Complete(r.ctx, got.Claim, sluice.Outcome{Stored: len(got.Claim.Batch.Messages)})
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for handled.Load() < batches && r.ctx.Err() == nil {
				if err := work(); err != nil {
					r.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if s := r.status(door); s.Account.Stored != size*batches || s.Queued() != 0 || s.Balance() != 0 {
		r.Fatalf("got %+v", s)
	}
}
