package sluicetest

import (
	"fmt"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/internal/roster"
)

// graceTests are of a restart of the broker, noticed ten seconds after the test
// began; devices have until its second minute.
var graceTests = []deviceTest{
	{name: "Grace_AsTheStateMachineSays", run: testGrace},
	{name: "Grace_TellsOfTheRestart", run: func(r *deviceRig) {
		r.attend()
		receipt := r.grace(2*time.Minute, 10*time.Second)
		if receipt.Events.Open != 1 || receipt.Devices.Open != 1 || receipt.Next != 0 {
			r.Fatalf("got receipt %+v, want one event in each queue", receipt)
		}
		for _, queue := range []string{sluice.QueueEvents, sluice.QueueDevices} {
			got := r.events(queue)
			if len(got) != 1 {
				r.Fatalf("%s: got %d events, want one", queue, len(got))
			}
			got[0].Version = 0 // of no device
			sameEvents(r.rig, queue, got, []*sluicev1.PresenceEvent{{
				Kind: sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART, At: r.on(10 * time.Second), DownAt: r.on(5 * time.Second),
			}})
		}
	}},
	{name: "Grace_WithoutEvents_TellsTheDatabaseOnly", run: func(r *deviceRig) {
		r.settings.Events = false
		r.attend()
		r.grace(2*time.Minute, 10*time.Second)
		r.told(sluice.QueueEvents)
		if got := r.events(sluice.QueueDevices); len(got) != 1 {
			r.Fatalf("got %d events, want one", len(got))
		}
	}},
	{name: "Grace_OfManyDevices_TakesSeveralCalls", run: func(r *deviceRig) {
		const n = 2500
		var ms []sluice.Move
		for i := range n {
			ms = append(ms, r.connect(fmt.Sprint("d", i), 0))
		}
		r.tell(ms...)
		r.attend()
		r.grace(2*time.Minute, 10*time.Second)
		for _, d := range r.devices() {
			if d.Deadline != r.at(2*time.Minute) || d.Due != sluice.CauseGrace {
				r.Fatalf("got %+v", d)
			}
		}
		if events := r.events(sluice.QueueEvents); len(events) != 1 {
			r.Fatalf("got %d events, want one of the restart", len(events))
		}
	}},
	{name: "Grace_WhoIsNotBack_GoesDown", run: func(r *deviceRig) {
		r.tell(r.connect("back", 0), r.connect("gone", 0), r.will("willed", 0, 20*time.Second))
		r.attend()
		r.grace(2*time.Minute, 10*time.Second)
		r.tell(r.connect("back", 20*time.Second))
		r.falls(time.Minute, 0)
		r.falls(2*time.Minute, 2)
		for _, name := range []string{"gone", "willed"} {
			if d := r.device(name); d.State != sluice.DeviceDown || d.DownCause != sluice.CauseGrace || d.Lost != r.on(0) {
				r.Fatalf("got %+v", d)
			}
		}
		r.inState("back", sluice.DeviceUp, 0)
	}},
	{name: "Will_AfterARestart_WaitsForIt", run: func(r *deviceRig) {
		r.attend()
		r.grace(2*time.Minute, 10*time.Second)
		r.tell(r.connect("a", 0), r.will("a", 11*time.Second, time.Second), r.will("b", 11*time.Second, 5*time.Minute))
		r.inState("a", sluice.DeviceSuspect, 2*time.Minute)
		r.inState("b", sluice.DeviceSuspect, 11*time.Second+5*time.Minute)
		r.grace(time.Minute, 10*time.Second) // GraceUntil only grows
		r.tell(r.will("c", 12*time.Second, time.Second))
		r.inState("c", sluice.DeviceSuspect, 2*time.Minute)
		r.grace(3*time.Minute, 10*time.Second)
		r.tell(r.will("d", 12*time.Second, time.Second), r.will("late", 3*time.Minute, time.Second))
		r.inState("d", sluice.DeviceSuspect, 3*time.Minute)
		r.inState("late", sluice.DeviceSuspect, 3*time.Minute+time.Second)
	}},
	{name: "Grace_Again_ChangesNoDeadline", run: func(r *deviceRig) {
		r.tell(r.connect("a", 0), r.will("b", 0, time.Second))
		r.attend()
		r.grace(2*time.Minute, 10*time.Second)
		r.grace(2*time.Minute, 10*time.Second) // its answer was lost
		r.inState("a", sluice.DeviceUp, 2*time.Minute)
		r.inState("b", sluice.DeviceSuspect, 2*time.Minute)
	}},
}

// grace gives time after a restart, to devices that were not seen since a time.
// It returns the receipt of the first call.
func (r *deviceRig) grace(until, since time.Duration) (first sluice.PresenceReceipt) {
	r.Helper()
	req := sluice.GraceRequest{
		Now: r.at(10 * time.Second), Until: r.at(until), Since: r.at(since), Started: r.at(5 * time.Second), Events: r.settings.Events,
	}
	for cursor, calls := "", 0; calls == 0 || cursor != ""; calls++ {
		next, receipt, err := r.s.Grace(r.ctx, r.lease, req, cursor)
		r.ok(err)
		if cursor = next; calls == 0 {
			first = receipt
		}
		same(r.rig, "Next", receipt.Next, earliest(r.check()))
	}
	return first
}

// testGrace gives time to devices in every state and compares their records and
// events with what sluice.Device says.
func testGrace(r *deviceRig) {
	var ms []sluice.Move
	for _, from := range starts {
		ms = append(ms, from.moves(r, from.name)...)
	}
	r.tell(append(ms,
		r.connect("seen-since", 9*time.Second), r.connect("seen-just-before", 9*time.Second-time.Microsecond),
		r.connect("back-and-lost", 9*time.Second), r.will("back-and-lost", 9*time.Second, 30*time.Second),
		r.will("for-long", 0, long), r.seen("watched-for-long", 0, long),
	)...)
	r.falls(5*time.Second, 2)
	r.quiet()
	want := r.devices()
	var told []*sluicev1.PresenceEvent
	for i := range want {
		want[i] = roster.CloneDevice(&want[i])
		if want[i].Grace(r.at(10*time.Second), r.at(2*time.Minute), r.on(9*time.Second), sluice.Scene{Offset: r.offset}) != sluice.NoChange {
			told = append(told, changedEvent(want[i], r.on(10*time.Second)))
		}
	}
	r.grace(2*time.Minute, 9*time.Second)
	same(r.rig, "devices", r.devices(), want)
	got := byDevice(r.events(sluice.QueueDevices))
	sameEvents(r.rig, sluice.QueueDevices, got[1:], byDevice(told)) // the restart names no device: it comes first
}
