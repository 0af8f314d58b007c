package sluicetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/internal/roster"
)

var moveTests = []deviceTest{
	{name: "Moves_AsTheStateMachineSays", run: testTransitions},
	{name: "Connect_OfUnknown_IsUp", run: func(r *deviceRig) {
		r.tell(r.connect("d", time.Second))
		same(r.rig, "device", r.device("d"), sluice.Device{
			Name: "d", State: sluice.DeviceUp, Generation: 1, Connected: r.on(time.Second), Seen: r.on(time.Second),
			Due: sluice.CauseNone, Version: r.at(time.Second),
		})
	}},
	{name: "Seen_OfUnknown_IsUp", run: func(r *deviceRig) {
		r.tell(r.seen("d", time.Second, 8*time.Second))
		same(r.rig, "device", r.device("d"), sluice.Device{
			Name: "d", State: sluice.DeviceUp, Seen: r.on(time.Second), Silent: 8_000_000,
			Deadline: r.at(11 * time.Second), Due: sluice.CauseSilent, Version: r.at(time.Second),
		})
	}},
	{name: "Will_OfUnknown_IsSuspect", run: func(r *deviceRig) {
		r.tell(r.will("d", time.Second, 5*time.Second))
		same(r.rig, "device", r.device("d"), sluice.Device{
			Name: "d", State: sluice.DeviceSuspect, Lost: r.on(time.Second),
			Deadline: r.at(6 * time.Second), Due: sluice.CauseWill, Version: r.at(time.Second),
		})
	}},
	{name: "Will_WhileSuspect_EarlierDeadlineCounts", run: func(r *deviceRig) {
		r.tell(r.will("d", 0, 10*time.Second))
		r.tell(r.will("d", 2*time.Second, 9*time.Second))
		r.inState("d", sluice.DeviceSuspect, 10*time.Second)
		r.tell(r.will("d", 3*time.Second, 4*time.Second))
		r.inState("d", sluice.DeviceSuspect, 7*time.Second)
		if d := r.device("d"); d.Lost != r.on(0) {
			r.Fatalf("lost at %d, want when the first will came, %d", d.Lost, r.on(0))
		}
		r.falls(7*time.Second-time.Microsecond, 0)
		r.falls(7*time.Second, 1)
	}},
	{name: "Will_OfDown_IsNothing", run: func(r *deviceRig) {
		r.knock(0, "d")
		r.quiet()
		before := r.device("d")
		if got := r.tell(r.will("d", 5*time.Second, time.Second), r.will("d", 6*time.Second, time.Second)); got != (sluice.PresenceReceipt{}) {
			r.Fatalf("got receipt %+v, want nothing told", got)
		}
		same(r.rig, "device", r.device("d"), before)
		r.falls(long, 0)
		r.told(sluice.QueueDevices)
		r.told(sluice.QueueEvents)
	}},
	{name: "ConnectAndSeen_CancelAWill", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second), r.will("b", 0, time.Second), r.will("c", 0, time.Second))
		r.tell(r.connect("a", time.Second/2), r.seen("b", time.Second/2, 0))
		r.inState("a", sluice.DeviceUp, 0)
		r.inState("b", sluice.DeviceUp, 0)
		r.falls(long, 1)
		r.inState("c", sluice.DeviceDown, 0)
	}},
	{name: "Moves_AreMadeInOrder", run: func(r *deviceRig) {
		r.tell(r.will("up", 0, time.Second), r.connect("up", 0), r.connect("lost", 0), r.will("lost", 0, time.Second))
		r.inState("up", sluice.DeviceUp, 0)
		r.inState("lost", sluice.DeviceSuspect, time.Second)
	}},
	{name: "Silence_TakesDown", run: func(r *deviceRig) {
		r.tell(r.seen("d", 0, 8*time.Second))
		r.tell(r.seen("d", 6*time.Second, 8*time.Second)) // ten seconds from here
		r.falls(15*time.Second, 0)
		r.falls(16*time.Second, 1)
		if d := r.device("d"); d.DownCause != sluice.CauseSilent || d.Lost != r.on(6*time.Second) || d.Down != r.on(16*time.Second) {
			r.Fatalf("got %+v", d)
		}
	}},
	{name: "Devices_MayHaveAnyName", run: func(r *deviceRig) {
		names := []string{
			"lwt", "connect", "pulse", "a.b-c_d", "0", "9-", "nil", "true", "constructor", "A", "a",
			strings.Repeat("x", sluice.MaxName), strings.Repeat("x", sluice.MaxName-1),
		}
		slices.Sort(names)
		for _, name := range names {
			r.tell(r.connect(name, 0), r.will(name, 0, time.Second))
		}
		r.falls(3*time.Second, len(names))
		for _, name := range names {
			r.inState(name, sluice.DeviceDown, 0)
		}
		var got []string
		for _, e := range byDevice(r.events(sluice.QueueEvents)) {
			got = append(got, e.Device)
		}
		same(r.rig, "names in events", got, names)
	}},
}

// start is a state in which a device may be ten seconds after the test began.
type start struct {
	name  string
	moves func(r *deviceRig, device string) []sluice.Move
}

var starts = []start{
	{"unknown", func(*deviceRig, string) []sluice.Move { return nil }},
	{"up", func(r *deviceRig, d string) []sluice.Move { return []sluice.Move{r.connect(d, 0)} }},
	{"watched", func(r *deviceRig, d string) []sluice.Move {
		return []sluice.Move{r.connect(d, 0), r.seen(d, time.Second, 80*time.Second)}
	}},
	{"suspect", func(r *deviceRig, d string) []sluice.Move {
		return []sluice.Move{r.connect(d, 0), r.will(d, time.Second, 30*time.Second)}
	}},
	{"lost", func(r *deviceRig, d string) []sluice.Move {
		return []sluice.Move{r.will(d, time.Second, 30*time.Second)}
	}},
	{"down", func(r *deviceRig, d string) []sluice.Move {
		return []sluice.Move{r.connect(d, 0), r.will(d, time.Second, time.Second)}
	}},
	{"silent", func(r *deviceRig, d string) []sluice.Move {
		return []sluice.Move{r.connect(d, 0), r.seen(d, 0, 2*time.Second)}
	}},
}

// step is a move ten seconds after the test began.
type step struct {
	name string
	move func(r *deviceRig, device string) sluice.Move
}

var steps = []step{
	{"connect", func(r *deviceRig, d string) sluice.Move { return r.connect(d, 10*time.Second) }},
	{"connect-watched", func(r *deviceRig, d string) sluice.Move {
		m := r.connect(d, 10*time.Second)
		m.Silent = 40_000_000
		return m
	}},
	{"connect-unsaid", func(r *deviceRig, d string) sluice.Move {
		m := r.connect(d, 10*time.Second)
		m.Silent = 0
		return m
	}},
	{"seen", func(r *deviceRig, d string) sluice.Move { return r.seen(d, 10*time.Second, 0) }},
	{"seen-watched", func(r *deviceRig, d string) sluice.Move { return r.seen(d, 10*time.Second, 20*time.Second) }},
	{"will-soon", func(r *deviceRig, d string) sluice.Move { return r.will(d, 10*time.Second, 5*time.Second) }},
	{"will-late", func(r *deviceRig, d string) sluice.Move { return r.will(d, 10*time.Second, time.Minute) }},
	{"early", func(r *deviceRig, d string) sluice.Move { return r.seen(d, -time.Second, 0) }}, // of a session that lags
}

// testTransitions makes every move in every state and compares record, event and
// receipt with what sluice.Device says.
func testTransitions(r *deviceRig) {
	var ms []sluice.Move
	for _, from := range starts {
		for _, to := range steps {
			ms = append(ms, from.moves(r, from.name+"."+to.name)...)
		}
	}
	r.tell(ms...)
	r.falls(5*time.Second, 2*len(steps))
	r.quiet()
	for _, from := range starts {
		for _, to := range steps {
			testTransition(r, from.name+"."+to.name, to.move(r, from.name+"."+to.name))
		}
	}
}

func testTransition(r *deviceRig, name string, m sluice.Move) {
	want := sluice.Device{Name: name}
	if d, err := r.s.Device(r.ctx, name); err != nil {
		r.Fatal(err)
	} else if d != nil {
		want = roster.CloneDevice(d)
	}
	change := want.Apply(m, sluice.Scene{Offset: r.offset})
	got := r.tell(m)
	same(r.rig, name, r.device(name), want)
	var changes, events []*sluicev1.PresenceEvent
	switch change {
	case sluice.CameBack:
		events = append(events, recoveryEvent(want, m, r.offset))
		changes = events
	case sluice.Changed:
		changes = append(changes, changedEvent(want, m.At+r.offset))
	}
	if got.Devices.Open != len(changes) || got.Events.Open != len(events) {
		r.Fatalf("%s: got receipt %+v, want %d and %d messages", name, got, len(changes), len(events))
	}
	if len(changes) > 0 {
		r.told(sluice.QueueDevices, changes...)
	}
	if len(events) > 0 {
		r.told(sluice.QueueEvents, events...)
	}
}

var moveEventTests = []deviceTest{
	{name: "Changes_OfOneGroup_AreOneEvent", run: func(r *deviceRig) {
		got := r.tell(r.connect("a", 0), r.seen("a", time.Second, 0), r.connect("b", time.Second), r.will("a", 2*time.Second, time.Minute), r.will("a", 3*time.Second, long))
		if got.Devices.Open != 2 || got.Events != (sluice.PartReceipt{}) {
			r.Fatalf("got receipt %+v, want two changes", got)
		}
		// The last will changed nothing: the event is of the last change.
		same(r.rig, "events", len(r.events(sluice.QueueEvents)), 0)
		r.toldSorted(sluice.QueueDevices, changedEvent(r.device("a"), r.on(2*time.Second)), changedEvent(r.device("b"), r.on(time.Second)))
	}},
	{name: "Recovery_IsToldAsItHappens", run: func(r *deviceRig) {
		r.knock(0, "a", "b")
		r.quiet()
		moves := []sluice.Move{r.connect("a", 10*time.Second), r.will("a", 11*time.Second, long), r.seen("b", 12*time.Second, 0)}
		back := r.device("a")
		back.Apply(moves[0], sluice.Scene{Offset: r.offset})
		got := r.tell(moves...)
		if got.Events.Open != 2 || got.Devices.Open != 3 {
			r.Fatalf("got receipt %+v, want two recoveries and a change", got)
		}
		a, b := recoveryEvent(back, moves[0], r.offset), recoveryEvent(r.device("b"), moves[2], r.offset)
		if a.Cause != sluicev1.PresenceCause_PRESENCE_CAUSE_CONNECT || b.Cause != sluicev1.PresenceCause_PRESENCE_CAUSE_DATA {
			r.Fatalf("got causes %v and %v", a.Cause, b.Cause)
		}
		r.told(sluice.QueueEvents, a, b)
		r.toldSorted(sluice.QueueDevices, a, changedEvent(r.device("a"), r.on(11*time.Second)), b)
	}},
	{name: "Recovery_OfNoEvents_IsForTheDatabaseOnly", run: func(r *deviceRig) {
		r.settings.Events = false
		r.knock(0, "a")
		got := r.tell(r.connect("a", 10*time.Second))
		if got.Events != (sluice.PartReceipt{}) {
			r.Fatalf("got receipt %+v, want no events", got)
		}
		r.told(sluice.QueueEvents)
		var kinds []string
		for _, e := range r.events(sluice.QueueDevices) {
			kinds = append(kinds, strings.TrimPrefix(e.Kind.String(), "PRESENCE_KIND_"))
		}
		same(r.rig, "kinds", kinds, []string{"CHANGED", "OUTAGE", "RECOVERY"})
	}},
	{name: "Moves_AreCounted", run: func(r *deviceRig) {
		r.tell(r.connect("a", 0), r.will("a", 0, time.Second), r.will("a", 0, long), r.seen("a", 0, 0))
		r.knock(0, "b")
		r.tell(r.will("b", 10*time.Second, long)) // changes nothing
		same(r.rig, "account", r.status(sluice.AccountPresence), sluice.QueueStatus{
			Queue: sluice.AccountPresence, Account: sluice.Account{Received: 6, Stored: 6},
		})
	}},
	{name: "Receipt_WithoutMoves_IsZero", run: func(r *deviceRig) {
		r.tell(r.will("a", 0, time.Second))
		r.attend()
		g := r.group(part(door, by(10, sluice.Never), "m"))
		g.CaughtUp, g.Presence = r.at(0), r.settings
		same(r.rig, "receipt", r.appendGroup(g).Presence, sluice.PresenceReceipt{})
	}},
	{name: "Receipt_TellsOfItsQueues", run: func(r *deviceRig) {
		size := sluice.DevicesPolicy().Max
		var ms []sluice.Move
		for i := range size + 1 {
			ms = append(ms, r.connect(fmt.Sprint("d", i), 0))
		}
		if got := r.tell(ms[:3]...); got.Devices.Open != 3 || got.Devices.Sealed != 0 {
			r.Fatalf("got receipt %+v, want 3 open", got)
		}
		r.pass(5 * time.Millisecond)
		got := r.tell(ms[3:5]...)
		if got.Devices.Open != 5 || got.Devices.Age < 5*time.Millisecond {
			r.Fatalf("got receipt %+v, want 5 open, 5ms old", got)
		}
		got = r.tell(ms[5:]...)
		if got.Devices.Sealed != 1 || got.Devices.Open != 1 {
			r.Fatalf("got receipt %+v, want one batch sealed", got)
		}
		if c := r.claim(sluice.QueueDevices); len(c.Batch.Messages) != size {
			r.Fatalf("got a batch of %d", len(c.Batch.Messages))
		}
	}},
	{name: "Watch_OfChanges", run: func(r *deviceRig) {
		r.hold()
		n := 0
		r.watched(sluice.QueueDevices, func() {
			var ms []sluice.Move
			for range sluice.DevicesPolicy().Max {
				ms = append(ms, r.connect(fmt.Sprint("d", n), 0))
				n++
			}
			r.appendGroup(r.moves(ms...))
		})
	}},
}

// toldSorted is told for events of several devices, whose order is not promised.
func (r *deviceRig) toldSorted(queue string, want ...*sluicev1.PresenceEvent) {
	r.Helper()
	sameEvents(r.rig, queue, byDevice(r.events(queue)), byDevice(want))
}
