package sluicetest

import (
	"fmt"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
)

var deviceListTests = []deviceTest{
	{name: "Devices_OfEmptyStore", run: func(r *deviceRig) {
		same(r.rig, "devices", r.check(), []sluice.Device(nil))
		d, err := r.s.Device(r.ctx, "a")
		if r.ok(err); d != nil {
			r.Fatalf("got %+v, want nil", d)
		}
	}},
	{name: "Devices_AreListedInPages", run: func(r *deviceRig) {
		const n = 3000
		want := map[string]bool{}
		var ms []sluice.Move
		for i := range n {
			name := fmt.Sprint("d", i)
			want[name] = true
			ms = append(ms, r.connect(name, time.Duration(i)*time.Second))
		}
		r.tell(ms...)
		devices := r.devices()
		for _, d := range devices {
			if !want[d.Name] {
				r.Fatalf("device %s is not known, or twice", d.Name)
			}
			delete(want, d.Name)
		}
		if len(want) > 0 {
			r.Fatalf("%d of %d devices are not listed", len(want), n)
		}
		same(r.rig, "device", r.device("d1234"), devices[indexOf(devices, "d1234")])
	}},
	{name: "Counts_FollowTheStates", run: func(r *deviceRig) {
		for _, step := range []struct {
			moves []sluice.Move
			want  sluice.PresenceCounts
		}{
			{[]sluice.Move{r.connect("a", 0), r.connect("b", 0)}, sluice.PresenceCounts{Up: 2}},
			{[]sluice.Move{r.will("a", 0, time.Second), r.will("c", 0, time.Second), r.will("c", 0, time.Second)}, sluice.PresenceCounts{Up: 1, Suspect: 2}},
			{[]sluice.Move{r.connect("c", 0), r.connect("c", 0)}, sluice.PresenceCounts{Up: 2, Suspect: 1}},
		} {
			r.tell(step.moves...)
			r.counts(step.want)
		}
		r.falls(time.Second, 1)
		r.counts(sluice.PresenceCounts{Up: 2, Down: 1})
		r.tell(r.will("a", 2*time.Second, 0), r.will("b", 2*time.Second, 0))
		r.counts(sluice.PresenceCounts{Up: 1, Suspect: 1, Down: 1})
		r.tell(r.connect("a", 2*time.Second))
		r.counts(sluice.PresenceCounts{Up: 2, Suspect: 1})
	}},
	{name: "ForgetDevice_Removes", run: testForget},
	{name: "ForgetDevice_OfUnknown", run: func(r *deviceRig) {
		ok, err := r.s.ForgetDevice(r.ctx, "a")
		if r.ok(err); ok {
			r.Fatal("a device that is not known was forgotten")
		}
		r.told(sluice.QueueDevices)
	}},
	{name: "MuteDevice_OfUnknown", run: func(r *deviceRig) {
		until, ok, err := r.s.MuteDevice(r.ctx, "a", long)
		if r.ok(err); ok || until != 0 {
			r.Fatalf("got %v until %d", ok, until)
		}
		r.told(sluice.QueueDevices)
		r.check()
	}},
	{name: "MuteDevice_KeepsStateAndDeadline", run: func(r *deviceRig) {
		r.tell(r.connect("a", 0), r.will("a", 0, time.Second))
		r.quiet()
		before := r.device("a")
		for _, d := range []time.Duration{long, time.Minute, 0} { // the last one counts
			until, _, err := r.s.MuteDevice(r.ctx, "a", d)
			r.ok(err)
			got := r.device("a")
			r.muteTold(got)
			if got.Version <= before.Version || got.Muted != until || until > r.on(d+time.Minute) {
				r.Fatalf("got %+v, muted until %d", got, until)
			}
			before.Version, before.Muted = got.Version, got.Muted
			same(r.rig, "device", got, before)
		}
		r.falls(time.Second, 1)
		if d := r.device("a"); d.DownMuted {
			r.Fatalf("got %+v, want it muted no more", d)
		}
	}},
}

func testForget(r *deviceRig) {
	r.tell(r.connect("a", 0), r.will("a", 0, time.Minute), r.connect("b", 0))
	r.knock(0, "c")
	version := map[string]int64{"a": r.device("a").Version, "c": r.device("c").Version}
	for name, before := range version {
		r.quiet()
		ok, err := r.s.ForgetDevice(r.ctx, name)
		if r.ok(err); !ok {
			r.Fatalf("%s was not forgotten", name)
		}
		r.check()
		r.told(sluice.QueueEvents)
		got := r.events(sluice.QueueDevices)
		if len(got) != 1 || got[0].Kind != sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN || got[0].Device != name || got[0].Version <= before {
			r.Fatalf("got events %v", got)
		}
		if at := time.Duration(got[0].At-r.on(0)) * time.Microsecond; at < 0 || at > time.Minute {
			r.Fatalf("it happened %v after the test began", at)
		}
		if ok, err = r.s.ForgetDevice(r.ctx, name); ok || err != nil {
			r.Fatalf("forgotten again: %v, %v", ok, err)
		}
	}
	r.falls(long, 0) // its deadline is gone too
	r.tell(r.connect("a", time.Minute), r.will("c", time.Minute, long))
	if d := r.device("a"); d.Generation != 1 || d.State != sluice.DeviceUp {
		r.Fatalf("got %+v, want a new device", d)
	}
	if d := r.device("c"); d.State != sluice.DeviceSuspect || d.Down != 0 || len(d.Outages) != 0 {
		r.Fatalf("got %+v, want a new device", d)
	}
}

// counts checks the counts themselves; check compares them with the devices.
func (r *deviceRig) counts(want sluice.PresenceCounts) {
	r.Helper()
	got, err := r.s.CountDevices(r.ctx)
	r.ok(err)
	same(r.rig, "counts", got, want)
}

func indexOf(devices []sluice.Device, name string) int {
	for i, d := range devices {
		if d.Name == name {
			return i
		}
	}
	return -1
}

var clockTests = []deviceTest{
	{name: "Clock_Advances", run: func(r *deviceRig) {
		before := r.clock()
		r.pass(5 * time.Millisecond)
		after := r.clock()
		if gone := after.Now - before.Now; gone < 5000 || gone > time.Minute.Microseconds() || after.Offset != before.Offset {
			r.Fatalf("got %+v 5ms after %+v", after, before)
		}
	}},
	{name: "SetOffset_MovesPresenceTime", run: func(r *deviceRig) {
		before := r.clock()
		jump := -(90 * time.Minute).Microseconds()
		r.ok(r.s.SetOffset(r.ctx, before.Offset, before.Offset+jump))
		after := r.clock()
		if gone := after.Now + jump - before.Now; gone < 0 || gone > time.Minute.Microseconds() || after.Offset != before.Offset+jump {
			r.Fatalf("got %+v after %+v and a jump of %d", after, before, jump)
		}
		r.offset = after.Offset
		r.tell(r.connect("a", 0))
		if d := r.device("a"); d.Seen != r.on(0) {
			r.Fatalf("got seen %d, want %d", d.Seen, r.on(0))
		}
		r.tell(r.will("a", 0, time.Second))
		r.inState("a", sluice.DeviceSuspect, time.Second) // deadlines do not move
		r.falls(time.Second, 1)
		if d := r.device("a"); d.Down != r.on(time.Second) {
			r.Fatalf("got down %d, want %d", d.Down, r.on(time.Second))
		}
	}},
	{name: "SetOffset_OfAnotherOffset_IsNothing", run: func(r *deviceRig) {
		for _, before := range []int64{0, r.offset - 1, r.offset + 1} {
			r.ok(r.s.SetOffset(r.ctx, before, 42))
		}
		if c := r.clock(); c.Offset != r.offset {
			r.Fatalf("got offset %d, want %d", c.Offset, r.offset)
		}
	}},
	{name: "SetOffset_ByManyAtOnce_CountsOnce", run: func(r *deviceRig) {
		done := make(chan error)
		for range 8 {
			go func() { done <- r.s.SetOffset(r.ctx, r.offset, r.offset+1000) }()
		}
		for range 8 {
			r.ok(<-done)
		}
		if c := r.clock(); c.Offset != r.offset+1000 {
			r.Fatalf("got offset %d, want %d", c.Offset, r.offset+1000)
		}
	}},
}
