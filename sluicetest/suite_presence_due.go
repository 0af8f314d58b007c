package sluicetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
)

var dueTests = []deviceTest{
	{name: "Due_TakesDownAndTells", run: func(r *deviceRig) {
		r.tell(r.connect("a", 0), r.connect("b", 0), r.will("a", time.Second, 2*time.Second), r.will("c", time.Second, long))
		r.quiet()
		r.caughtUp(3 * time.Second)
		got := r.due(4 * time.Second)
		want := sluice.DueResult{Fell: 1, CaughtUp: r.at(3 * time.Second)}
		if got.Receipt.Events.Open != 1 || got.Receipt.Devices.Open != 1 {
			r.Fatalf("got receipt %+v, want one event in each queue", got.Receipt)
		}
		got.Receipt = sluice.PresenceReceipt{}
		same(r.rig, "result", got, want)
		same(r.rig, "device", r.device("a"), sluice.Device{
			Name: "a", State: sluice.DeviceDown, Generation: 1, Connected: r.on(0), Seen: r.on(0), Lost: r.on(time.Second),
			Down: r.on(3 * time.Second), DownCause: sluice.CauseWill, Outages: []int64{r.at(3 * time.Second)}, Version: r.at(3 * time.Second),
		})
		e := outageEvent(r.device("a"), 3)
		r.told(sluice.QueueEvents, e)
		r.told(sluice.QueueDevices, e)
	}},
	{name: "Due_OfNothing", run: func(r *deviceRig) {
		r.caughtUp(0)
		same(r.rig, "result", r.due(long), sluice.DueResult{CaughtUp: r.at(0)})
		r.tell(r.will("a", 0, time.Second))
		want := sluice.DueResult{CaughtUp: r.at(0), Receipt: sluice.PresenceReceipt{Next: r.at(time.Second)}}
		same(r.rig, "result", r.due(0), want)
	}},
	{name: "Due_Again_FindsNothing", run: func(r *deviceRig) {
		r.knock(0, "a")
		for range 2 {
			if got := r.due(long); got.Fell != 0 {
				r.Fatalf("got %+v after all was taken", got)
			}
		}
		same(r.rig, "outages", outagesOf(r.events(sluice.QueueEvents)), map[string]int{"a": 1})
	}},
	{name: "Due_OfWhoCouldNotBeHeard_GivesTime", run: func(r *deviceRig) {
		r.tell(r.seen("silent", 0, 20*time.Second), r.seen("slow", 0, 40*time.Second), r.connect("gone", 0), r.will("gone", 0, 30*time.Second))
		r.quiet()
		r.caughtUp(30 * time.Second)
		r.unheard(20 * time.Second)
		r.unheard(10 * time.Second) // it only grows
		got := r.due(30 * time.Second)
		if got.Excused != 1 || got.Fell != 0 || got.Receipt.Devices.Open != 1 {
			r.Fatalf("got %+v, want a device excused and the database told", got)
		}
		r.inState("silent", sluice.DeviceUp, 45*time.Second)
		r.told(sluice.QueueEvents)
		r.falls(30*time.Second, 1) // gone, by its will
		r.falls(45*time.Second-time.Microsecond, 0)
		r.falls(45*time.Second, 1) // silent
		if got := r.judge(50 * time.Second); got.Excused != 1 || got.Fell != 0 {
			r.Fatalf("got %+v, want the other one excused", got)
		}
		r.inState("slow", sluice.DeviceUp, 70*time.Second)
		r.falls(70*time.Second, 1)
	}},
	{name: "Due_OfManyWhoCouldNotBeHeard_GivesTimeUpToItsLimit", run: func(r *deviceRig) {
		for i := range 5 {
			r.tell(r.seen(fmt.Sprint("d", i), 0, 20*time.Second))
		}
		r.caughtUp(long)
		r.unheard(long)
		for _, want := range []int{2, 2, 1, 0} {
			if got := r.dueOf(sluice.DueRequest{Now: r.at(long), Limit: 2, Events: true}); got.Excused != want || got.Fell != 0 {
				r.Fatalf("got %+v, want %d excused", got, want)
			}
		}
	}},
	{name: "Due_WithoutEvents_TellsTheDatabaseOnly", run: func(r *deviceRig) {
		r.settings.Events = false
		r.knock(0, "a")
		r.told(sluice.QueueEvents)
		same(r.rig, "outages", outagesOf(r.events(sluice.QueueDevices)), map[string]int{"a": 1})
	}},
	{name: "Due_OldestDeadlineFirst_UpToItsLimit", run: testDueLimit},
	{name: "Due_FromManyAtOnce_TakesEachOnce", run: testDueRace},
	{name: "Due_OfTenThousand", run: testDueMany},
	{name: "Due_Fenced_TakesNothing", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second))
		r.caughtUp(long)
		old := r.lease
		l, err := r.q.Lease(r.ctx, old.Session, "a", long)
		r.ok(err)
		r.lease, r.number = l, 0
		before := r.image()
		for _, l := range []sluice.Lease{old, {Session: old.Session}, {Session: "unknown", Token: old.Token}} {
			_, err = r.s.Due(r.ctx, l, sluice.DueRequest{Now: r.at(long), Limit: 10, Events: true})
			r.is("Due", err, sluice.ErrFenced)
			_, err = r.s.Attend(r.ctx, l, r.at(long))
			r.is("Attend", err, sluice.ErrFenced)
			r.is("Unheard", r.s.Unheard(r.ctx, l, r.at(long)), sluice.ErrFenced)
			_, _, err = r.s.Grace(r.ctx, l, sluice.GraceRequest{Now: r.at(0), Until: r.at(2 * long), Since: r.at(0)}, "")
			r.is("Grace", err, sluice.ErrFenced)
		}
		same(r.rig, "store", r.image(), before)
		r.falls(2*time.Second, 1)
	}},
	{name: "Due_AndMovesAtOnce_AgreeOnOrder", run: testDueAgainstMoves},
}

// unheard says that until a time devices could not be heard of.
func (r *deviceRig) unheard(until time.Duration) {
	r.Helper()
	r.ok(r.s.Unheard(r.ctx, r.lease, r.at(until)))
}

// apart is too far for a storm.
const apart = sluice.StormWindow

// crowd makes n suspects whose deadlines are a gap apart, the first a second after
// the test began, and tells of them in another order. It returns them oldest
// deadline first.
func (r *deviceRig) crowd(n int, gap time.Duration) (names []string) {
	r.Helper()
	var ms []sluice.Move
	for i := range n {
		names = append(names, fmt.Sprintf("d%d", i*7919%n)) // a prime, so in no order of names
		ms = append(ms, r.will(names[i], 0, time.Second+time.Duration(i)*gap))
	}
	slices.SortFunc(ms, func(a, b sluice.Move) int { return len(a.Device) - len(b.Device) })
	for group := range slices.Chunk(ms, 1000) {
		r.appendGroup(r.moves(group...))
	}
	r.check()
	return names
}

func testDueLimit(r *deviceRig) {
	names := r.crowd(23, apart)
	r.caughtUp(long)
	var told []string
	for _, want := range []int{10, 10, 3, 0} {
		got := r.dueOf(sluice.DueRequest{Now: r.at(long), Limit: 10, Events: true})
		if got.Fell != want {
			r.Fatalf("got %d devices, want %d", got.Fell, want)
		}
		for _, e := range r.events(sluice.QueueEvents) {
			told = append(told, e.Device)
		}
		same(r.rig, "devices that went down", told, names[:len(told)])
	}
}

// testDueRace lets many take what is due at the same time.
func testDueRace(r *deviceRig) {
	const n, takers = 200, 4
	r.crowd(n, apart)
	r.caughtUp(long)
	var fell atomic.Int64
	var wg sync.WaitGroup
	for range takers {
		wg.Go(func() {
			for {
				got, err := r.s.Due(r.ctx, r.lease, sluice.DueRequest{Now: r.at(long), Limit: 7, Events: true})
				if err != nil {
					r.Error(err)
				}
				fell.Add(int64(got.Fell))
				if got.Fell == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	r.check()
	if fell.Load() != n {
		r.Fatalf("%d devices went down, want %d", fell.Load(), n)
	}
	for _, queue := range []string{sluice.QueueEvents, sluice.QueueDevices} {
		outages := outagesOf(r.events(queue))
		for name, times := range outages {
			if times != 1 {
				r.Errorf("%s: %d outages of %s", queue, times, name)
			}
		}
		if len(outages) != n {
			r.Errorf("%s: outages of %d devices, want %d", queue, len(outages), n)
		}
	}
}

// testDueMany takes a fleet down a thousand at a time.
func testDueMany(r *deviceRig) {
	const n, limit = 10_000, 1000
	names := r.crowd(n, 100*time.Microsecond) // a storm
	r.caughtUp(time.Minute)
	for range n / limit {
		if got, err := r.s.Due(r.ctx, r.lease, sluice.DueRequest{Now: r.at(time.Minute), Limit: limit, Events: true}); err != nil || got.Fell != limit {
			r.Fatalf("got %+v, %v, want %d devices", got, err, limit)
		}
	}
	if got := r.due(time.Minute); got.Fell != 0 || got.Receipt.Next != 0 {
		r.Fatalf("got %+v after all was taken", got)
	}
	events := r.events(sluice.QueueEvents)
	if len(events) != n {
		r.Fatalf("got %d events, want %d", len(events), n)
	}
	for i, e := range events {
		if e.Device != names[i] || int(e.Alive) != n-i {
			r.Fatalf("event %d is of %s, one of %d, want %s, one of %d", i, e.Device, e.Alive, names[i], n-i)
		}
	}
}

// testDueAgainstMoves takes devices down while their connects are appended: each
// either is cancelled and never falls, or falls and recovers.
func testDueAgainstMoves(r *deviceRig) {
	const n = 100
	names := r.crowd(n, apart)
	r.caughtUp(long)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range n {
			if _, err := r.s.Due(r.ctx, r.lease, sluice.DueRequest{Now: r.at(long), Limit: 1, Events: true}); err != nil {
				r.Error(err)
			}
		}
	})
	for _, name := range slices.Backward(names) {
		r.appendGroup(r.moves(r.connect(name, 0)))
	}
	wg.Wait()
	for _, d := range r.check() {
		if d.State == sluice.DeviceSuspect {
			r.Errorf("%s is still suspect after its connect", d.Name)
		}
	}
	balance := map[string]int{} // outages less recoveries
	for _, e := range r.events(sluice.QueueEvents) {
		switch e.Kind {
		case sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE:
			balance[e.Device]++
		case sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY:
			balance[e.Device]--
		}
		if n := balance[e.Device]; n < 0 || n > 1 {
			r.Fatalf("%s: %v out of turn", e.Device, e.Kind)
		}
	}
	for name, n := range balance {
		if d := r.device(name); (d.State == sluice.DeviceDown) != (n == 1) {
			r.Errorf("%s is %v after %d outages without a recovery", name, d.State, n)
		}
	}
}
