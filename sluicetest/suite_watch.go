package sluicetest

import (
	"context"
	"errors"
	"time"

	"sluice"
)

var watchTests = []queueTest{
	{name: "Watch_EndsWithItsContext", run: func(r *rig) {
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		if err := r.q.Watch(ctx, func(string) {}); !errors.Is(err, context.Canceled) {
			r.Fatalf("got error %v, want that of the context", err)
		}
	}},
	{name: "Watch_OfSizeSeal", run: func(r *rig) {
		r.hinted(func() { r.batches(numbered(0, 1)) })
	}},
	{name: "Watch_OfAgeSeal", run: func(r *rig) {
		p := byAge(1, time.Millisecond, 0)
		r.hinted(func() {
			r.append(part(door, p, "m"))
			r.eventually("the seal", func() bool {
				s, err := r.q.Seal(r.ctx, door, p)
				r.ok(err)
				return s.Sealed
			})
		})
	}},
	{name: "Watch_OfRelease", run: func(r *rig) {
		r.batches(numbered(0, 1))
		r.hinted(func() { r.release(r.claim(door), sluice.Retry{}) })
	}},
	{name: "Watch_OfResume", run: func(r *rig) {
		r.batches(numbered(0, 1))
		r.release(r.claim(door), sluice.Retry{After: long})
		r.hinted(func() { r.ok(r.q.Resume(r.ctx, door)) })
	}},
	{name: "Watch_OfCompleteWithMoreBehind", run: func(r *rig) {
		r.append(part(door, by(1, sluice.Never), numbered(0, 500)...))
		r.hinted(func() { r.complete(r.claim(door)) })
	}},
	{name: "Watch_OfDeadLetters", run: func(r *rig) {
		r.append(part(door, by(1000, sluice.Never), numbered(0, 3000)...))
		r.watched(sluice.QueueDead, func() {
			c := r.tryClaim(door, 1).Claim
			if c == nil {
				return
			}
			dead := letters(c, len(c.Batch.Messages), "")
			for i := range dead {
				dead[i].Device = c.Batch.ID.String() + payloads(c)[i]
			}
			r.completeWith(c, sluice.Outcome{Dead: dead})
		})
	}},
}

// hinted checks that an act on door leads to a hint.
func (r *rig) hinted(act func()) {
	r.Helper()
	r.watched(door, act)
}

// watched repeats act until a hint for queue came from it: a single hint may be
// lost, and a watch needs its time to begin.
func (r *rig) watched(queue string, act func()) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.ctx)
	hints := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- r.q.Watch(ctx, func(name string) {
			if name != queue {
				return
			}
			select {
			case hints <- struct{}{}:
			default:
			}
		})
	}()
	repeat := time.NewTicker(20 * time.Millisecond)
	defer repeat.Stop()
	for hinted := false; !hinted; {
		act()
		select {
		case <-hints:
			hinted = true
		case <-repeat.C:
		case <-r.ctx.Done():
			r.Fatal("no hint came")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		r.Fatalf("Watch: got error %v, want that of its context", err)
	}
}
