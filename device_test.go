package sluice_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
)

// Times of these tests are presence times in seconds after noon; store times are
// shift later.
const (
	noon  = int64(1_763_000_000_000_000)
	shift = int64(3_600_000_000)
)

func sec(s float64) int64  { return noon + int64(s*1e6) }
func late(s float64) int64 { return sec(s) + shift }

func micros(d time.Duration) int64 { return d.Microseconds() }

var scene = sluice.Scene{Offset: shift}

func up(name string) sluice.Device {
	return sluice.Device{Name: name, State: sluice.DeviceUp, Generation: 2, Connected: late(-50), Seen: late(-10), Version: sec(-10)}
}

func watched() sluice.Device {
	d := up("d")
	d.Silent, d.Deadline, d.Due = 8e6, sec(0), sluice.CauseSilent
	return d
}

func suspect() sluice.Device {
	d := up("d")
	d.State, d.Lost, d.Deadline, d.Due, d.Version = sluice.DeviceSuspect, late(-5), sec(20), sluice.CauseWill, sec(-5)
	return d
}

func down() sluice.Device {
	d := up("d")
	d.State, d.Lost, d.Down, d.DownCause, d.Outages, d.Version = sluice.DeviceDown, late(-5), late(-4), sluice.CauseWill, []int64{sec(-4)}, sec(-4)
	return d
}

// with returns a copy of a device with changes.
func with(d sluice.Device, change func(*sluice.Device)) sluice.Device {
	d.Outages = slices.Clone(d.Outages)
	change(&d)
	return d
}

func TestDevice_Apply(t *testing.T) {
	t.Parallel()
	connect := sluice.Move{Kind: sluice.MoveConnect, Device: "d", At: sec(0), Silent: -1}
	seen := sluice.Move{Kind: sluice.MoveSeen, Device: "d", At: sec(0)}
	will := sluice.Move{Kind: sluice.MoveWill, Device: "d", At: sec(0), Delay: 30e6}
	soon := sluice.Move{Kind: sluice.MoveWill, Device: "d", At: sec(0), Delay: 5e6}
	silent := func(m sluice.Move, s int64) sluice.Move { m.Silent = s; return m }
	connected := func(d *sluice.Device) {
		d.State, d.Connected, d.Seen, d.Lost, d.Deadline, d.Due, d.Version = sluice.DeviceUp, late(0), late(0), 0, 0, sluice.CauseNone, sec(0)
		d.Generation++
	}
	heard := func(d *sluice.Device) {
		d.State, d.Seen, d.Lost, d.Deadline, d.Due, d.Version = sluice.DeviceUp, late(0), 0, 0, sluice.CauseNone, sec(0)
	}
	guarded := func(s, deadline int64) func(*sluice.Device) {
		return func(d *sluice.Device) { d.Silent, d.Deadline, d.Due = s, deadline, sluice.CauseSilent }
	}
	lost := func(deadline float64) func(*sluice.Device) {
		return func(d *sluice.Device) {
			d.State, d.Lost, d.Deadline, d.Due, d.Version = sluice.DeviceSuspect, late(0), sec(deadline), sluice.CauseWill, sec(0)
		}
	}
	for _, tt := range []struct {
		name   string
		before sluice.Device
		move   sluice.Move
		change sluice.Change
		then   []func(*sluice.Device)
	}{
		{"connect of unknown", sluice.Device{Name: "d"}, connect, sluice.Changed, []func(*sluice.Device){connected}},
		{"connect of up", up("d"), connect, sluice.Changed, []func(*sluice.Device){connected}},
		{"connect of suspect", suspect(), connect, sluice.Changed, []func(*sluice.Device){connected}},
		{"connect of down", down(), connect, sluice.CameBack, []func(*sluice.Device){connected}},
		{"connect where no route guards", watched(), connect, sluice.Changed, []func(*sluice.Device){connected, func(d *sluice.Device) { d.Silent = 0 }}},
		{"connect where routes differ", watched(), silent(connect, 0), sluice.Changed, []func(*sluice.Device){connected, guarded(8e6, sec(10))}},
		{"connect of one that was seen where others guard", watched(), silent(connect, 40e6), sluice.Changed, []func(*sluice.Device){connected, guarded(8e6, sec(10))}},
		{"connect of one never seen where all guard", sluice.Device{Name: "d"}, silent(connect, 40e6), sluice.Changed, []func(*sluice.Device){connected, guarded(40e6, sec(50))}},
		{"seen of unknown", sluice.Device{Name: "d"}, seen, sluice.Changed, []func(*sluice.Device){heard}},
		{"seen of up", up("d"), seen, sluice.Changed, []func(*sluice.Device){heard}},
		{"seen of suspect", suspect(), seen, sluice.Changed, []func(*sluice.Device){heard}},
		{"seen of down", down(), seen, sluice.CameBack, []func(*sluice.Device){heard}},
		{"seen on a route that guards", up("d"), silent(seen, 8e6), sluice.Changed, []func(*sluice.Device){heard, guarded(8e6, sec(10))}},
		{"seen on a route that does not", watched(), seen, sluice.Changed, []func(*sluice.Device){heard, func(d *sluice.Device) { d.Silent = 0 }}},
		{"will of unknown", sluice.Device{Name: "d"}, will, sluice.Changed, []func(*sluice.Device){lost(30)}},
		{"will of up", up("d"), will, sluice.Changed, []func(*sluice.Device){lost(30)}},
		{"will of guarded", watched(), will, sluice.Changed, []func(*sluice.Device){lost(30)}},
		{"later will of suspect", suspect(), will, sluice.NoChange, nil},
		{"will of suspect with the same deadline", suspect(), sluice.Move{Kind: sluice.MoveWill, Device: "d", At: sec(0), Delay: 20e6}, sluice.NoChange, nil},
		{"earlier will of suspect", suspect(), soon, sluice.Changed, []func(*sluice.Device){lost(5), func(d *sluice.Device) { d.Lost = late(-5) }}},
		{"will of down", down(), will, sluice.NoChange, nil},
		{"unknown kind", up("d"), sluice.Move{Kind: 'x', Device: "d", At: sec(0)}, sluice.NoChange, nil},
		{"move of the past", up("d"), sluice.Move{Kind: sluice.MoveSeen, Device: "d", At: sec(-20)}, sluice.Changed, []func(*sluice.Device){
			heard, func(d *sluice.Device) { d.Seen, d.Version = late(-20), sec(-10)+1 },
		}},
	} {
		got := with(tt.before, func(*sluice.Device) {})
		if change := got.Apply(tt.move, scene); change != tt.change {
			t.Errorf("%s: got change %d, want %d", tt.name, change, tt.change)
		}
		want := tt.before
		for _, f := range tt.then {
			f(&want)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestDevice_WillAfterARestart_WaitsForIt(t *testing.T) {
	t.Parallel()
	s := sluice.Scene{Offset: shift, GraceUntil: sec(60)}
	for _, tt := range []struct{ delay, want float64 }{{5, 60}, {60, 60}, {61, 61}} {
		d := up("d")
		d.Apply(sluice.Move{Kind: sluice.MoveWill, At: sec(0), Delay: int64(tt.delay * 1e6)}, s)
		if d.Deadline != sec(tt.want) || d.Due != sluice.CauseWill || d.Lost != late(0) {
			t.Errorf("a delay of %v s: got %+v, want the deadline %d", tt.delay, d, sec(tt.want))
		}
	}
}

func TestDevice_Fall(t *testing.T) {
	t.Parallel()
	fallen := func(at, lost float64, cause sluice.Cause) func(*sluice.Device) {
		return func(d *sluice.Device) {
			d.State, d.Down, d.DownCause, d.Lost = sluice.DeviceDown, late(at), cause, late(lost)
			d.Outages, d.Deadline, d.Due, d.Version = []int64{sec(at)}, 0, sluice.CauseNone, sec(at)
		}
	}
	for _, tt := range []struct {
		name   string
		before sluice.Device
		want   sluice.Device
	}{
		{"of its will", suspect(), with(suspect(), fallen(20, -5, sluice.CauseWill))},
		{"of its silence", watched(), with(watched(), fallen(0, -10, sluice.CauseSilent))},
		{
			"of a restart", with(up("d"), func(d *sluice.Device) { d.Deadline, d.Due = sec(60), sluice.CauseGrace }),
			with(up("d"), fallen(60, -10, sluice.CauseGrace)),
		},
		{
			"muted", with(suspect(), func(d *sluice.Device) { d.Muted = late(20) + 1 }),
			with(with(suspect(), fallen(20, -5, sluice.CauseWill)), func(d *sluice.Device) { d.Muted, d.DownMuted = late(20)+1, true }),
		},
		{
			"muted no more", with(suspect(), func(d *sluice.Device) { d.Muted, d.DownMuted = late(20), true }),
			with(with(suspect(), fallen(20, -5, sluice.CauseWill)), func(d *sluice.Device) { d.Muted = late(20) }),
		},
	} {
		got := tt.before
		if change := got.Fall(scene); change != sluice.WentDown {
			t.Errorf("%s: got change %d, want WentDown", tt.name, change)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// fallAt takes a device down at a time after it has come back.
func fallAt(d *sluice.Device, minutes float64) {
	d.Apply(sluice.Move{Kind: sluice.MoveSeen, At: sec(minutes*60) - 2e6}, scene)
	d.Apply(sluice.Move{Kind: sluice.MoveWill, At: sec(minutes*60) - 1e6, Delay: 1e6}, scene)
	d.Fall(scene)
}

func TestDevice_Flapping(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		minutes []float64
		flaps   []bool // after each outage
	}{
		{"four in ten minutes", []float64{0, 1, 2, 3}, []bool{false, false, false, true}},
		{"the first just within", []float64{0, 1, 2, 9.9999}, []bool{false, false, false, true}},
		{"the first ten minutes ago", []float64{0, 1, 2, 10}, []bool{false, false, false, false}},
		{"goes on at any rate above one in ten minutes", []float64{0, 1, 2, 3, 12.9, 22.8, 32.7}, []bool{false, false, false, true, true, true, true}},
		{"none for ten minutes", []float64{0, 1, 2, 3, 13, 14}, []bool{false, false, false, true, false, false}},
		{"six in ten minutes", []float64{0, 1, 2, 3, 4, 5}, []bool{false, false, false, true, true, true}},
		{"begins again", []float64{0, 1, 2, 3, 13, 14, 15, 16}, []bool{false, false, false, true, false, false, false, true}},
	} {
		d := sluice.Device{Name: "d"}
		for i, m := range tt.minutes {
			fallAt(&d, m)
			steady := int64(0)
			if tt.flaps[i] {
				steady = sec(m*60) + micros(sluice.FlapWindow)
			}
			if d.Flapping != tt.flaps[i] || d.Steady != steady {
				t.Errorf("%s: after minute %v: got %+v, want flapping %v, steady %d", tt.name, m, d, tt.flaps[i], steady)
			}
			if n := len(d.Outages); n > sluice.FlapOutages+1 || d.Outages[n-1] != sec(m*60) || !slices.IsSorted(d.Outages) {
				t.Errorf("%s: after minute %v: outages %v", tt.name, m, d.Outages)
			}
		}
	}
}

func TestDevice_BeSteady(t *testing.T) {
	t.Parallel()
	d := sluice.Device{Name: "d"}
	for m := range 4 {
		fallAt(&d, float64(m))
	}
	want := with(d, func(w *sluice.Device) { w.Flapping, w.Steady, w.Outages, w.Version = false, 0, nil, d.Steady })
	if change := d.BeSteady(); change != sluice.BecameSteady {
		t.Errorf("got change %d, want BecameSteady", change)
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for m := range 3 { // what was before does not count
		if fallAt(&d, 14+float64(m)); d.Flapping {
			t.Errorf("flaps after outage %d since it was steady", m+1)
		}
	}
}

func TestDevice_Grace(t *testing.T) {
	t.Parallel()
	given := func(d sluice.Device, until float64) sluice.Device {
		return with(d, func(d *sluice.Device) { d.Deadline, d.Due, d.Version = sec(until), sluice.CauseGrace, sec(10) })
	}
	long := with(suspect(), func(d *sluice.Device) { d.Deadline = sec(200) })
	mute := with(watched(), func(d *sluice.Device) { d.Generation, d.Connected = 0, 0 })
	noSilence := func(d *sluice.Device) { d.Silent, d.Deadline, d.Due = 0, 0, sluice.CauseNone }
	lost := with(suspect(), func(d *sluice.Device) { d.Generation, d.Connected = 0, 0 })
	for _, tt := range []struct {
		name   string
		before sluice.Device
		since  int64
		want   sluice.Device
	}{
		{"up", up("d"), late(0), given(up("d"), 120)},
		{"up, guarded", watched(), late(0), given(watched(), 120)},
		{"up, seen since", up("d"), late(-10), up("d")},
		{"up, seen just before", up("d"), late(-10) + 1, given(up("d"), 120)},
		{"up, never told of a connect", mute, late(0), with(mute, func(d *sluice.Device) {
			d.Deadline, d.Version = sluice.SilentDeadline(sec(10), d.Silent), sec(10)
		})},
		{"up, never told of a connect, not held to a silence", with(mute, noSilence), late(0), with(mute, noSilence)},
		{"suspect, never told of a connect", lost, late(0), given(lost, 120)},
		{"suspect", suspect(), late(0), given(suspect(), 120)},
		{"suspect with a later deadline", long, late(0), given(long, 200)},
		{"suspect, seen since", suspect(), late(-10), given(suspect(), 120)},
		{"down", down(), late(0), down()},
	} {
		got, want := with(tt.before, func(*sluice.Device) {}), sluice.Changed
		if cmp.Equal(tt.want, tt.before) {
			want = sluice.NoChange
		}
		if change := got.Grace(sec(10), sec(120), tt.since, scene); change != want {
			t.Errorf("%s: got change %d, want %d", tt.name, change, want)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSilentDeadline_IsAQuarterLater(t *testing.T) {
	t.Parallel()
	for silent, want := range map[int64]int64{0: 100, 4: 105, 7: 108, 8_000_000: 10_000_100} {
		if got := sluice.SilentDeadline(100, silent); got != want {
			t.Errorf("silent %d: got %d, want %d", silent, got, want)
		}
	}
}

func TestStorm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n, alive int
		want     bool
	}{{9, 9, false}, {10, 10, true}, {10, 19, true}, {10, 20, false}, {5000, 10_000, false}, {5001, 10_000, true}, {0, 0, false}} {
		if got := sluice.Storm(tt.n, tt.alive); got != tt.want {
			t.Errorf("%d of %d: got %v, want %v", tt.n, tt.alive, got, tt.want)
		}
	}
}

func TestDevice_Words(t *testing.T) {
	t.Parallel()
	var got []string
	for _, s := range []sluice.DeviceState{sluice.DeviceUp, sluice.DeviceSuspect, sluice.DeviceDown, 0} {
		got = append(got, s.String())
	}
	for _, c := range []sluice.Cause{sluice.CauseWill, sluice.CauseSilent, sluice.CauseGrace, sluice.CauseConnect, sluice.CauseData, sluice.CauseNone} {
		got = append(got, c.String())
	}
	want := []string{"up", "suspect", "down", "unknown", "lwt", "silent", "grace", "connect", "data", "none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDevice_Pardon(t *testing.T) {
	t.Parallel()
	anew := func(d sluice.Device) sluice.Device {
		return with(d, func(d *sluice.Device) { d.Deadline, d.Version = sluice.SilentDeadline(sec(10), d.Silent), sec(10) })
	}
	long := with(suspect(), func(d *sluice.Device) { d.Deadline = sec(200) })
	for _, tt := range []struct {
		name   string
		before sluice.Device
		since  int64
		want   sluice.Device
	}{
		{"up", up("d"), late(0), up("d")},
		{"up, guarded", watched(), late(0), anew(watched())},
		{"up, guarded, seen since", watched(), late(-100), watched()},
		{"suspect", suspect(), late(0), with(suspect(), func(d *sluice.Device) { d.Deadline, d.Version = sec(120), sec(10) })},
		{"suspect since", suspect(), late(-100), suspect()},
		{"suspect with a later deadline", long, late(0), long},
		{"down", down(), late(0), down()},
	} {
		got := with(tt.before, func(*sluice.Device) {})
		changed := got.Pardon(sec(10), sec(120), tt.since) != sluice.NoChange
		if diff := cmp.Diff(tt.want, got); diff != "" || changed == cmp.Equal(tt.want, tt.before) {
			t.Errorf("%s: changed %t (-want +got):\n%s", tt.name, changed, diff)
		}
	}
}
