package sluicetest

import (
	"time"

	"sluice"
	"sluice/gen/sluicev1"
)

// flapTests are of devices that go down again and again. An outage of knock begins
// two seconds after its time.
var flapTests = []deviceTest{
	{name: "Flapping_BeginsAndGoesOn", run: func(r *deviceRig) {
		r.flaps(0, -1)
		r.flaps(time.Minute, -1)
		r.flaps(2*time.Minute, -1)
		r.flaps(3*time.Minute, sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN)
		r.flaps(4*time.Minute, sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON)
		if d := r.device("d"); !d.Flapping || len(d.Outages) != 4 || d.Steady != r.at(4*time.Minute+2*time.Second)+window {
			r.Fatalf("got %+v", d)
		}
		r.quiet()
		m := r.connect("d", 5*time.Minute)
		r.tell(m)
		e := recoveryEvent(r.device("d"), m, r.offset)
		if e.Flap != sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON || e.Outages != 4 {
			r.Fatalf("got recovery %v", e)
		}
		r.told(sluice.QueueEvents, e)
	}},
	{name: "Flapping_NeedsFourInTenMinutes", run: func(r *deviceRig) {
		for i := range 8 {
			r.flaps(time.Duration(i)*200*time.Second, -1) // three, and one just out of it
		}
	}},
	{name: "Flapping_EndsWhenSteady", run: func(r *deviceRig) {
		steady := r.flapping()
		if got := r.judge(steady - time.Microsecond); got.Steadied != 0 {
			r.Fatalf("got %+v before the time", got)
		}
		if got := r.due(steady + long); got.Steadied != 0 {
			r.Fatalf("got %+v, though an outage before that may be on its way", got)
		}
		got := r.judge(steady)
		if got.Steadied != 1 || got.Fell != 0 || got.Receipt.Events.Open != 1 || got.Receipt.Devices.Open != 1 {
			r.Fatalf("got %+v, want one device steady", got)
		}
		d := r.device("d")
		if d.Flapping || d.Steady != 0 || len(d.Outages) != 0 || d.State != sluice.DeviceDown {
			r.Fatalf("got %+v", d)
		}
		e := event("STEADY", d, r.on(steady))
		r.told(sluice.QueueEvents, e)
		r.told(sluice.QueueDevices, e)
		if got := r.judge(steady + time.Second); got.Steadied != 0 {
			r.Fatalf("got %+v, want steady once", got)
		}
		r.flaps(steady, -1)
	}},
	{name: "Steady_NeedsNoEvents", run: func(r *deviceRig) {
		steady := r.flapping()
		r.settings.Events = false
		if got := r.judge(steady); got.Steadied != 1 {
			r.Fatalf("got %+v, want one device steady", got)
		}
		r.told(sluice.QueueEvents)
		r.told(sluice.QueueDevices, event("STEADY", r.device("d"), r.on(steady)))
	}},
	{name: "Steady_OfManyDevices", run: func(r *deviceRig) {
		names := []string{"a", "b", "c", "d", "e"}
		for i := range 4 {
			r.knock(time.Duration(i)*time.Minute, names...)
		}
		r.caughtUp(long)
		total := 0
		for range 3 {
			got := r.dueOf(sluice.DueRequest{Now: r.at(long), Limit: 2, Events: true})
			total += got.Steadied
		}
		if total != len(names) {
			r.Fatalf("%d devices are steady after three calls, want %d", total, len(names))
		}
	}},
	{name: "Outage_BeforeSteady_GoesOn", run: func(r *deviceRig) {
		steady := r.flapping()
		r.tell(r.connect("d", steady-2*time.Minute), r.will("d", steady-2*time.Minute, time.Minute))
		r.caughtUp(steady)
		got := r.due(steady) // both have passed, the outage first
		if got.Fell != 1 || got.Steadied != 0 {
			r.Fatalf("got %+v, want an outage", got)
		}
		if d := r.device("d"); !d.Flapping || d.Steady != r.at(steady-time.Minute)+window {
			r.Fatalf("got %+v, want steady ten minutes after the outage", d)
		}
	}},
	{name: "Outage_AfterSteady_IsToldAfterIt", run: func(r *deviceRig) {
		steady := r.flapping()
		r.tell(r.connect("d", steady-time.Minute), r.will("d", steady, time.Minute))
		r.quiet()
		r.caughtUp(steady + 2*time.Minute)
		got := r.due(steady + 2*time.Minute) // both have passed, the outage last
		if got.Fell != 1 || got.Steadied != 1 {
			r.Fatalf("got %+v, want it steady and then an outage", got)
		}
		events := r.events(sluice.QueueEvents)
		if len(events) != 2 || events[0].Kind != sluicev1.PresenceKind_PRESENCE_KIND_STEADY || events[1].Flap != 0 || events[1].Outages != 1 {
			r.Fatalf("got events %v, want it steady and then a first outage", events)
		}
	}},
	{name: "Muted_OutageRecoveryAndSteady", run: testMuted},
}

const window = int64(sluice.FlapWindow / time.Microsecond)

// flaps takes device d down and checks how its outage is called; -1: neither.
func (r *deviceRig) flaps(d time.Duration, want sluicev1.PresenceFlap) {
	r.Helper()
	r.quiet()
	r.tell(r.connect("d", d), r.will("d", d+time.Second, time.Second))
	r.events(sluice.QueueEvents) // a recovery
	r.falls(d+2*time.Second, 1)
	e := outageEvent(r.device("d"), 1)
	e.Flap = max(want, 0)
	r.told(sluice.QueueEvents, e)
}

// flapping makes device d flap, leaves it down and returns when it is steady.
func (r *deviceRig) flapping() time.Duration {
	r.Helper()
	for i := range 4 {
		r.knock(time.Duration(i)*time.Minute, "d")
	}
	r.quiet()
	return 3*time.Minute + 2*time.Second + sluice.FlapWindow
}

// testMuted mutes a device over its outage and not over its recovery.
func testMuted(r *deviceRig) {
	steady := r.flapping()
	before := r.device("d")
	until, ok, err := r.s.MuteDevice(r.ctx, "d", long)
	r.ok(err)
	d := r.device("d")
	if left := time.Duration(until-r.on(0)) * time.Microsecond; !ok || left < long || left > long+time.Minute || d.Muted != until {
		r.Fatalf("got %v, muted until %d, which is in %v, and %+v", ok, until, left, d)
	}
	want := before
	want.Muted, want.Version = until, d.Version
	if same(r.rig, "device", d, want); d.Version <= before.Version {
		r.Fatalf("got version %d after %d", d.Version, before.Version)
	}
	r.muteTold(d)

	r.knock(5*time.Minute, "d") // recovers from an outage that was not muted
	muted := map[sluicev1.PresenceKind]bool{}
	for _, e := range r.events(sluice.QueueEvents) {
		muted[e.Kind] = e.Muted
	}
	r.judge(steady + 5*time.Minute)
	r.told(sluice.QueueEvents, mutedEvent(event("STEADY", r.device("d"), r.on(steady+2*time.Minute))))
	until, ok, err = r.s.MuteDevice(r.ctx, "d", 0)
	if r.ok(err); !ok || until != r.device("d").Muted || until > r.on(0)+time.Minute.Microseconds() {
		r.Fatalf("got %v, muted until %d, want it ended", ok, until)
	}
	r.events(sluice.QueueDevices)
	m := r.connect("d", 20*time.Minute)
	r.tell(m)
	e := recoveryEvent(r.device("d"), m, r.offset)
	if r.told(sluice.QueueEvents, e); !e.Muted || !muted[sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE] || muted[sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY] {
		r.Fatalf("muted: %v; a recovery has what its outage had", muted)
	}
	r.flaps(30*time.Minute, -1) // not muted
}

func mutedEvent(e *sluicev1.PresenceEvent) *sluicev1.PresenceEvent {
	e.Muted = true
	return e
}

// muteTold checks what is told of an operator's mute, just now.
func (r *deviceRig) muteTold(d sluice.Device) {
	r.Helper()
	r.told(sluice.QueueEvents)
	got := r.events(sluice.QueueDevices)
	if len(got) != 1 {
		r.Fatalf("got %d events, want one", len(got))
	}
	at := time.Duration(got[0].At-r.on(0)) * time.Microsecond
	if at < 0 || at > time.Minute {
		r.Fatalf("it happened %v after the test began", at)
	}
	sameEvents(r.rig, sluice.QueueDevices, got, []*sluicev1.PresenceEvent{changedEvent(d, got[0].At)})
}
