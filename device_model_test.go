package sluice_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice"
)

// TestDevice_AnyInterleaving makes any moves, deadlines and restarts in any order
// and holds the device against what has happened to it so far.
func TestDevice_AnyInterleaving(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &life{now: noon, scene: scene, device: sluice.Device{Name: "d"}}
		t.Repeat(map[string]func(*rapid.T){
			"wait":    l.wait,
			"connect": l.connect,
			"seen":    l.see,
			"will":    l.will,
			"again":   l.again,
			"fall":    l.fall,
			"bounce":  l.bounce,
			"mute":    l.mute,
			"steady":  l.steady,
			"restart": l.restart,
			"":        l.check,
		})
	})
}

// life is a device and what a bystander has noted of it.
type life struct {
	device sluice.Device
	scene  sluice.Scene
	now    int64 // presence time
	last   sluice.Move

	down    bool    // there was an outage, and no sign of life since
	wills   []int64 // their deadlines, since the last sign of life
	lostAt  int64   // when the first of them was received
	heldTo  int64   // silence
	grace   int64   // until when a restart gives it time, since the last sign of life; 0: none
	silent  int64   // the deadline of its silence, 0 for none
	outages []int64 // when, since it was steady last
	judged  int64   // the deadline that was judged last
}

// try makes a change to the device and holds what is true of every change.
func (l *life) try(t *rapid.T, change func(*sluice.Device) sluice.Change) sluice.Change {
	before := with(l.device, func(*sluice.Device) {})
	got := change(&l.device)
	switch {
	case got == sluice.NoChange:
		if diff := cmp.Diff(before, l.device); diff != "" {
			t.Fatalf("no change (-before +after):\n%s", diff)
		}
	case l.device.Version <= before.Version:
		t.Fatalf("a change, and version %d after %d", l.device.Version, before.Version)
	}
	return got
}

func (l *life) apply(t *rapid.T, m sluice.Move) sluice.Change {
	l.last = m
	return l.try(t, func(d *sluice.Device) sluice.Change { return d.Apply(m, l.scene) })
}

// received is when a message was received that is applied now: after the deadlines
// that were judged already, because those were judged once everything before them
// had been applied.
func (l *life) received(t *rapid.T) int64 {
	return max(l.now-rapid.Int64Range(0, 3e6).Draw(t, "age"), l.judged)
}

func (l *life) wait(t *rapid.T) {
	l.now += rapid.SampledFrom([]int64{1, 1e6, 30e6, 200e6, 601e6}).Draw(t, "wait")
}

func (l *life) connect(t *rapid.T) {
	silent := rapid.SampledFrom([]int64{-1, 0, 20e6}).Draw(t, "silent")
	l.alive(t, sluice.Move{Kind: sluice.MoveConnect, At: l.received(t), Silent: silent})
}

func (l *life) see(t *rapid.T) {
	silent := rapid.SampledFrom([]int64{0, 5e6, 60e6}).Draw(t, "silent")
	l.alive(t, sluice.Move{Kind: sluice.MoveSeen, At: l.received(t), Silent: silent})
}

// alive makes a sign of life: whatever was, the device is up, and only its silence
// can take it down.
func (l *life) alive(t *rapid.T, m sluice.Move) {
	generation := l.device.Generation
	got, want := l.apply(t, m), sluice.Changed
	if l.down {
		want = sluice.CameBack
	}
	if got != want {
		t.Fatalf("got change %d, want %d", got, want)
	}
	if l.device.Seen != m.At+shift || l.device.Lost != 0 {
		t.Fatalf("a sign of life at %d: %+v", m.At, l.device)
	}
	if m.Kind == sluice.MoveConnect {
		generation++
	}
	if l.device.Generation != generation {
		t.Fatalf("generation %d, want %d", l.device.Generation, generation)
	}
	l.down, l.wills, l.grace, l.silent = false, nil, 0, 0
	if m.Kind == sluice.MoveSeen || m.Silent < 0 || l.heldTo == 0 { // a connect knows no better than what was seen
		l.heldTo = max(m.Silent, 0)
	}
	if l.heldTo > 0 {
		l.silent = m.At + l.heldTo + l.heldTo/4
	}
}

func (l *life) will(t *rapid.T) {
	delay := rapid.SampledFrom([]int64{0, 1e6, 2e6, 5e6, 60e6, 700e6}).Draw(t, "delay")
	l.lost(t, sluice.Move{Kind: sluice.MoveWill, At: l.received(t), Delay: delay})
}

func (l *life) lost(t *rapid.T, m sluice.Move) {
	deadline := max(m.At+m.Delay, l.scene.GraceUntil)
	matters := !l.down && (len(l.wills) == 0 || deadline < slices.Min(l.wills))
	if got := l.apply(t, m); (got == sluice.Changed) != matters {
		t.Fatalf("a will with the deadline %d: change %d", deadline, got)
	}
	if l.down {
		return
	}
	if len(l.wills) == 0 {
		l.lostAt = m.At
	}
	l.wills = append(l.wills, deadline)
}

// bounce is what makes a device flap: it comes and goes.
func (l *life) bounce(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "times") {
		l.alive(t, sluice.Move{Kind: sluice.MoveSeen, At: l.now})
		l.lost(t, sluice.Move{Kind: sluice.MoveWill, At: l.now, Delay: 1e6})
		l.now += rapid.SampledFrom([]int64{2e6, 100e6, 599e6, 600e6, 601e6}).Draw(t, "gap")
		l.fall(t)
	}
}

func (l *life) mute(t *rapid.T) {
	l.device.Muted = l.now + shift + rapid.SampledFrom([]int64{-1e6, 0, 1, 2e6, 60e6}).Draw(t, "muted")
}

// again makes the last move once more: a redelivery that was not recognised.
func (l *life) again(t *rapid.T) {
	if l.last.Kind == 0 {
		return
	}
	m := l.last
	if m.At = l.received(t); m.Kind == sluice.MoveWill {
		l.lost(t, m)
	} else {
		l.alive(t, m)
	}
}

// fall does what a store does: it takes the device down if its deadline has
// passed.
func (l *life) fall(t *rapid.T) {
	at := l.device.Deadline
	if at == 0 || at > l.now {
		return
	}
	cause := l.device.Due
	flapped := l.device.Flapping
	if got := l.try(t, func(d *sluice.Device) sluice.Change { return d.Fall(l.scene) }); got != sluice.WentDown {
		t.Fatalf("got change %d", got)
	}
	if l.down {
		t.Fatal("a second outage without a sign of life between them")
	}
	if lost := l.device.Lost; len(l.wills) > 0 && lost != l.lostAt+shift || len(l.wills) == 0 && lost != l.device.Seen {
		t.Fatalf("lost since %d, the first will was received at %d: %+v", lost, l.lostAt+shift, l.device)
	}
	l.down, l.wills, l.grace, l.silent = true, nil, 0, 0
	d := l.device
	if d.Down != at+shift || d.DownCause != cause || d.DownMuted != (d.Muted > d.Down) {
		t.Fatalf("an outage at %d: %+v", at, d)
	}
	l.judged = at
	l.outages = append(l.outages, at)
	if want := l.flaps(flapped); d.Flapping != want {
		t.Fatalf("flapping is %v after outages at %v", d.Flapping, l.outages)
	}
}

// flaps tells by all outages whether the last one finds the device flapping:
// more than three in ten minutes, or it was and the one before is no ten minutes
// ago.
func (l *life) flaps(before bool) bool {
	last := l.outages[len(l.outages)-1]
	recent := slices.DeleteFunc(slices.Clone(l.outages), func(at int64) bool { return last-at >= micros(10*time.Minute) })
	return len(recent) > 3 || before && len(recent) > 1
}

func (l *life) steady(t *rapid.T) {
	if l.device.Steady == 0 || l.device.Steady > l.now {
		return
	}
	state, deadline := l.device.State, l.device.Deadline
	if got := l.try(t, (*sluice.Device).BeSteady); got != sluice.BecameSteady {
		t.Fatalf("got change %d", got)
	}
	if l.device.State != state || l.device.Deadline != deadline {
		t.Fatalf("steadiness has changed the state: %+v", l.device)
	}
	l.outages = nil
}

func (l *life) restart(t *rapid.T) {
	if l.device.State == 0 {
		return // a store does not know it
	}
	until := l.now + rapid.SampledFrom([]int64{1e6, 120e6}).Draw(t, "grace")
	since := l.now - rapid.Int64Range(0, 10e6).Draw(t, "since") + shift
	l.scene.GraceUntil = max(l.scene.GraceUntil, until)
	back := l.device.State == sluice.DeviceUp && l.device.Seen >= since
	if l.device.State == sluice.DeviceUp && l.device.Generation == 0 && !back { // tells of no connect: silence begins anew
		anew := l.now + l.heldTo + l.heldTo/4
		if back = l.grace > 0 || l.silent == 0 || l.silent >= anew; !back {
			l.silent = anew
			if got := l.try(t, func(d *sluice.Device) sluice.Change { return d.Grace(l.now, until, since, l.scene) }); got != sluice.Changed {
				t.Fatalf("got change %d of %+v, want its silence to begin anew", got, l.device)
			}
			return
		}
	}
	got := l.try(t, func(d *sluice.Device) sluice.Change { return d.Grace(l.now, until, since, l.scene) })
	if (got == sluice.NoChange) != (back || l.down) {
		t.Fatalf("got change %d of %+v, at a restart that it need not answer: %v", got, l.device, back)
	}
	if got == sluice.NoChange {
		return
	}
	if l.grace = until; len(l.wills) > 0 { // no will takes it down earlier
		l.grace = max(until, l.deadline())
	}
	l.wills = l.wills[:0:0]
	if l.device.State == sluice.DeviceSuspect {
		l.wills = []int64{l.grace}
	}
	l.silent = 0
}

// deadline is when the device goes down by what has happened to it.
func (l *life) deadline() int64 {
	switch {
	case l.down:
		return 0
	case len(l.wills) > 0: // the earliest counts
		return slices.Min(l.wills)
	case l.grace > 0:
		return l.grace
	}
	return l.silent
}

func (l *life) check(t *rapid.T) {
	d := l.device
	if d.Deadline != l.deadline() {
		t.Fatalf("deadline %d, want %d: %+v", d.Deadline, l.deadline(), d)
	}
	if (d.Due == sluice.CauseNone) != (d.Deadline == 0) {
		t.Fatalf("cause %v of the deadline %d", d.Due, d.Deadline)
	}
	want := sluice.DeviceUp
	switch {
	case d.State == 0:
		return // never heard of
	case l.down:
		want = sluice.DeviceDown
	case len(l.wills) > 0:
		want = sluice.DeviceSuspect
	}
	if d.State != want {
		t.Fatalf("state %v, want %v: %+v", d.State, want, d)
	}
	if (d.Lost != 0) != (want != sluice.DeviceUp) {
		t.Fatalf("lost since %d while %v", d.Lost, want)
	}
	if d.Silent != l.heldTo {
		t.Fatalf("held to a silence of %d, want %d", d.Silent, l.heldTo)
	}
	if d.Flapping != (d.Steady != 0) || d.Flapping && d.Steady-micros(10*time.Minute) != l.outages[len(l.outages)-1] {
		t.Fatalf("flapping %v, steady %d: %+v", d.Flapping, d.Steady, d)
	}
	if n := len(d.Outages); n > 4 || n > len(l.outages) || n == 0 && len(l.outages) > 0 {
		t.Fatalf("outages %v, after those at %v", d.Outages, l.outages)
	}
	for i, at := range d.Outages {
		if at != l.outages[len(l.outages)-len(d.Outages)+i] {
			t.Fatalf("outages %v, after those at %v", d.Outages, l.outages)
		}
	}
}
