package sluicetest

import (
	"sync"
	"time"

	"sluice"
)

// byAge returns a policy that seals by age only, and by size at 1000.
func byAge(min int, timeout, linger time.Duration) sluice.Policy {
	return sluice.Policy{Max: 1000, Min: min, Timeout: timeout, Linger: linger}.Resolve()
}

var sealTests = []queueTest{
	{name: "Seal_OfNothing", run: func(r *rig) {
		p := byAge(1, time.Millisecond, 0)
		r.leaves(p, 0)
		r.append(part(door, by(2, sluice.Never), "m1", "m2"))
		r.pass(2 * time.Millisecond)
		r.leaves(p, 0) // what is sealed already is not open
		same(r, "batches", r.drain(door), [][]string{{"m1", "m2"}})
	}},
	{name: "Seal_BeforeTimeout_LeavesOpen", run: func(r *rig) {
		p := byAge(1, long, long)
		r.append(part(door, p, "m1"))
		r.pass(5 * time.Millisecond)
		if s := r.leaves(p, 1); s.Age < 5*time.Millisecond || s.Age >= long {
			r.Fatalf("got age %v of a message that waits 5ms or more", s.Age)
		}
		r.none(door, 1)
	}},
	{name: "Seal_AfterTimeout_SealsAll", run: func(r *rig) {
		p := byAge(1, 10*time.Millisecond, 0)
		r.append(part(door, p, "m1"))
		r.append(part(door, p, "m2", "m3"))
		r.pass(10 * time.Millisecond)
		r.seals(p)
		r.leaves(p, 0)
		same(r, "batches", r.drain(door), [][]string{{"m1", "m2", "m3"}})
	}},
	{name: "Seal_OfYoungBatch_CountsFromItsFirst", run: func(r *rig) {
		p := sluice.Policy{Max: 2, Timeout: long}.Resolve()
		r.append(part(door, p, "m1"))
		r.pass(20 * time.Millisecond)
		r.append(part(door, p, "m2", "m3")) // m3 opens the next batch
		if s := r.leaves(p, 1); s.Age >= 20*time.Millisecond {
			r.Fatalf("got age %v, want that of the newest message", s.Age)
		}
	}},
	{name: "Seal_CountsFromWhenTheGroupWasReceived", run: func(r *rig) {
		p := byAge(1, long, long)
		g := r.group(part(door, p, "m1"))
		g.Age = long - time.Minute
		if receipt := r.appendGroup(g); receipt.Parts[0].Age < g.Age {
			r.Fatalf("got age %v, want %v or more", receipt.Parts[0].Age, g.Age)
		}
		r.leaves(p, 1)
		g = r.group(part(door, p, "m2"))
		g.Age = 2 * long // does not make the batch older: its first message counts
		r.appendGroup(g)
		r.leaves(p, 2)
		r.batches([]string{"m3"})
		r.drain(door)
		g = r.group(part(door, p, "m4"))
		g.Age = long
		r.appendGroup(g)
		r.seals(p)
	}},
	{name: "Seal_BelowMin_WaitsForMin", run: func(r *rig) {
		p := byAge(3, time.Millisecond, long)
		r.append(part(door, p, "m1", "m2"))
		r.pass(2 * time.Millisecond)
		r.leaves(p, 2)
		r.append(part(door, p, "m3"))
		r.seals(p)
		same(r, "batches", r.drain(door), [][]string{{"m1", "m2", "m3"}})
	}},
	{name: "Seal_BelowMin_SealsAfterLinger", run: func(r *rig) {
		p := byAge(3, time.Millisecond, 5*time.Millisecond)
		r.append(part(door, p, "m1"))
		r.pass(5 * time.Millisecond)
		r.seals(p)
		same(r, "batches", r.drain(door), [][]string{{"m1"}})
	}},
	{name: "Seal_Never", run: func(r *rig) {
		p := byAge(1, sluice.Never, sluice.Never)
		r.append(part(door, p, "m1"))
		r.pass(2 * time.Millisecond)
		r.leaves(p, 1)
	}},
	{name: "Seal_RacingAppends_LosesNothing", run: func(r *rig) {
		const appends = 60
		p := byAge(1, time.Millisecond, 0)
		r.group() // the lease
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for running := true; running; {
					select {
					case <-done:
						running = false
					default:
					}
					if _, err := r.q.Seal(r.ctx, door, p); err != nil {
						r.Error(err)
						return
					}
				}
			})
		}
		r.number = 0
		for i := range appends {
			r.append(part(door, p, numbered(i, 1)...))
		}
		close(done)
		wg.Wait()
		r.eventually("the last batch to be sealed", func() bool {
			_, err := r.q.Seal(r.ctx, door, p)
			r.ok(err)
			return r.status(door).Open == 0
		})
		var all []string
		for _, b := range r.drain(door) {
			all = append(all, b...)
		}
		same(r, "messages", all, numbered(0, appends))
	}},
}

// seals checks that Seal seals the open batch of door.
func (r *rig) seals(p sluice.Policy) {
	r.Helper()
	s, err := r.q.Seal(r.ctx, door, p)
	r.ok(err)
	same(r, "Seal", s, sluice.SealResult{Sealed: true})
	r.balanced(door)
}

// leaves checks that Seal leaves so many messages open.
func (r *rig) leaves(p sluice.Policy, open int) sluice.SealResult {
	r.Helper()
	s, err := r.q.Seal(r.ctx, door, p)
	r.ok(err)
	if s.Sealed || s.Open != open || (open == 0 && s.Age != 0) {
		r.Fatalf("Seal: got %+v, want %d open", s, open)
	}
	r.balanced(door)
	return s
}
