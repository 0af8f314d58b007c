package sluicetest

import (
	"fmt"
	"time"

	"sluice"
)

// stormTests are of many devices that go down at once.
var stormTests = []deviceTest{
	{name: "Storm_IsTakenAtOnce", run: func(r *deviceRig) {
		names, last := r.storm(12)
		r.tell(r.will("late", 0, time.Minute))
		r.quiet()
		r.caughtUp(30 * time.Second)
		for _, now := range []time.Duration{time.Second, time.Second + apart/2, last - time.Microsecond} {
			r.gathers(now, last)
		}
		if got := r.due(last); got.Fell != 12 || got.Wait != 0 {
			r.Fatalf("got %+v when the last deadline had passed, want all 12", got)
		}
		for i, e := range r.events(sluice.QueueEvents) {
			if e.Device != names[i] || int(e.Alive) != 13-i {
				r.Fatalf("event %d is of %s, one of %d, want %s, one of %d", i, e.Device, e.Alive, names[i], 13-i)
			}
		}
	}},
	{name: "Storm_WaitsUntilAllOfItMayBeJudged", run: func(r *deviceRig) {
		_, last := r.storm(12)
		r.caughtUp(time.Second)
		r.gathers(time.Second, last)
		r.caughtUp(last - time.Microsecond)
		r.gathers(last+time.Second, last) // the last may be cancelled yet
		r.caughtUp(last)
		if got := r.due(last + time.Second); got.Fell != 12 {
			r.Fatalf("got %+v, want all 12", got)
		}
	}},
	{name: "Storm_AboveTheLimit_DoesNotWaitAgain", run: func(r *deviceRig) {
		_, last := r.storm(60)
		r.caughtUp(last)
		for range 4 {
			if got := r.dueOf(sluice.DueRequest{Now: r.at(last), Limit: 15, Events: true}); got.Fell != 15 || got.Wait != 0 {
				r.Fatalf("got %+v, want the next 15 at once", got)
			}
		}
	}},
	{name: "Storm_ThatPasses_IsNone", run: func(r *deviceRig) {
		names, last := r.storm(12)
		r.caughtUp(time.Second)
		r.gathers(time.Second, last)
		for _, name := range names[:3] {
			r.tell(r.connect(name, time.Second))
		}
		r.caughtUp(last - time.Microsecond)
		if got := r.due(last - time.Microsecond); got.Fell != 8 || got.Wait != 0 {
			r.Fatalf("got %+v, want those of 9 that are due", got)
		}
	}},
	{name: "Storm_NeedsTenDeadlines", run: func(r *deviceRig) {
		r.crowd(9, time.Millisecond)
		r.tell(r.will("after", 0, time.Second+sluice.StormWindow+time.Microsecond))
		r.noStorm(9)
	}},
	{name: "Storm_NeedsMoreThanHalf", run: func(r *deviceRig) {
		r.crowd(10, time.Millisecond)
		var ms []sluice.Move
		for i := range 10 {
			ms = append(ms, r.connect(fmt.Sprint("up", i), 0))
		}
		r.tell(ms...)
		r.caughtUp(time.Second)
		if got := r.due(time.Second); got.Fell != 1 || got.Wait != 0 {
			r.Fatalf("got %+v, want the first device at once", got)
		}
		r.noStorm(9)
	}},
	{name: "Storm_OfThoseNotDown", run: func(r *deviceRig) {
		var down []string
		for i := range 9 {
			down = append(down, fmt.Sprint("down", i))
		}
		r.knock(-10*time.Second, down...)
		_, last := r.storm(10)
		r.tell(r.connect("up", 0))
		r.caughtUp(30 * time.Second)
		r.gathers(time.Second, last)
	}},
}

// storm makes n suspects whose deadlines are all within one window, which ends
// with the last of them or soon after. It returns them oldest deadline first, and
// the last deadline.
func (r *deviceRig) storm(n int) (names []string, last time.Duration) {
	r.Helper()
	gap := sluice.StormWindow / time.Duration(n)
	return r.crowd(n, gap), time.Second + time.Duration(n-1)*gap
}

// gathers checks that nothing is due yet because a storm gathers until a time.
func (r *deviceRig) gathers(now, until time.Duration) {
	r.Helper()
	if got := r.due(now); got.Fell != 0 || got.Wait != r.at(until) {
		r.Fatalf("at %v: got %+v, want none until %d", now, got, r.at(until))
	}
}

// noStorm checks that so many devices of a crowd go down without a wait.
func (r *deviceRig) noStorm(n int) {
	r.Helper()
	r.caughtUp(1010 * time.Millisecond)
	if got := r.due(1010 * time.Millisecond); got.Fell != n || got.Wait != 0 {
		r.Fatalf("got %+v, want %d devices at once", got, n)
	}
}
