package device_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/device"
)

// life is a random device, and what a router hears of it.
type life struct {
	*rand.Rand
	o     device.Observer
	now   time.Time
	heard time.Time // of the last move
	muted bool

	events []device.TruthEvent
	moves  []sluice.Move
}

func newLife(seed uint64, o device.Observer) *life {
	l := &life{Rand: rand.New(rand.NewPCG(seed, 1)), o: o, now: epoch, heard: epoch}
	for alive := true; alive && len(l.events) < 60; {
		alive = l.attempt()
	}
	return l
}

func (l *life) chance(percent int) bool { return l.IntN(100) < percent }

func (l *life) pass(most time.Duration) { l.now = l.now.Add(time.Duration(l.Int64N(int64(most)))) }

func (l *life) tell(what device.What) {
	l.events = append(l.events, device.TruthEvent{Time: l.now, Device: "d", What: what})
}

// hear lets the router hear of something, up to the guard late but in order.
func (l *life) hear(kind sluice.MoveKind) {
	at := l.now.Add(time.Duration(l.Int64N(int64(l.o.Guard))))
	if at.Before(l.heard) {
		at = l.heard
	}
	l.heard = at
	l.moves = append(l.moves, sluice.Move{
		Kind: kind, Device: "d", At: at.UnixMicro(),
		Delay: l.o.Delay.Microseconds(), Silent: l.o.Silent.Microseconds(),
	})
}

// attempt connects, lives and ends; false when that was the last time.
func (l *life) attempt() bool {
	l.tell(device.Connecting)
	l.pass(500 * time.Millisecond)
	if l.chance(15) {
		return l.failedAttempt()
	}
	l.tell(device.Connected)
	if l.chance(15) {
		return l.unannounced()
	}
	l.pass(100 * time.Millisecond)
	l.hear(sluice.MoveConnect)
	l.pass(100 * time.Millisecond)
	l.tell(device.Announced)
	l.work()
	return l.end()
}

// failedAttempt has no answer, but perhaps a will.
func (l *life) failedAttempt() bool {
	l.pass(2 * time.Second)
	if l.chance(30) {
		l.tell(device.Dropped)
	}
	if l.chance(50) {
		l.hear(sluice.MoveWill)
	}
	l.pass(l.o.Delay)
	return true
}

func (l *life) unannounced() bool {
	l.pass(100 * time.Millisecond)
	if l.chance(50) {
		l.hear(sluice.MoveConnect)
	}
	return l.end()
}

// work sends readings, with times of silence.
func (l *life) work() {
	for range l.IntN(20) {
		l.pass(l.o.Every)
		if l.chance(8) {
			l.muted = !l.muted
			l.tell(map[bool]device.What{true: device.Muted, false: device.Unmuted}[l.muted])
			if l.muted {
				l.pass(2 * max(l.o.Silent, l.o.Delay))
			}
			continue
		}
		if !l.muted {
			l.hear(sluice.MoveSeen)
		}
	}
	l.pass(l.o.Every)
}

func (l *life) end() bool {
	switch p := l.IntN(100); {
	case p < 75:
		l.tell(device.Dropped)
		l.hear(sluice.MoveWill)
	case p < 95:
		l.tell(device.Lost)
		if l.chance(50) {
			l.hear(sluice.MoveWill)
		}
	default:
		l.tell(device.Stopped)
		return false
	}
	switch l.IntN(4) {
	case 0:
		l.pass(l.o.Delay)
	case 1:
		l.now = l.now.Add(l.o.Delay - 2*l.o.Guard)
		l.pass(4 * l.o.Guard)
	default:
		l.pass(3 * l.o.Delay)
	}
	return l.chance(95)
}

// outages lets the state machine of the router judge the life.
func (l *life) outages() []time.Time {
	var d sluice.Device
	var all []time.Time
	fall := func(until int64) {
		if d.Deadline != 0 && d.Deadline <= until {
			all = append(all, time.UnixMicro(d.Deadline).UTC())
			d.Fall(sluice.Scene{})
		}
	}
	for _, m := range l.moves {
		fall(m.At)
		// A router need not write down each time at which it saw a device.
		stale := d.State != sluice.DeviceUp || m.At-d.Seen >= m.Silent/4 || m.Silent == 0
		if m.Kind != sluice.MoveSeen || stale || l.chance(50) {
			d.Apply(m, sluice.Scene{})
		}
	}
	fall(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	return all
}

// The router's own state machine, which hears up to the guard late and of what is
// in doubt or not, agrees with Outages on ten thousand random lives.
func TestOutages_AgreeWithTheStateMachineOfTheRouter(t *testing.T) {
	t.Parallel()
	silences := []time.Duration{0, 10 * time.Second, 100 * time.Second}
	certain, doubtful := 0, 0
	for seed := range uint64(10_000) {
		o := device.Observer{
			Delay: 30 * time.Second, Guard: time.Second,
			Silent: silences[seed%3], Every: 2 * time.Second,
		}
		l := newLife(seed, o)
		want := device.Outages(l.events, o)
		if err := agree(want, l.outages(), o); err != nil {
			t.Fatalf("seed %d: %v\nlog: %v\nmoves: %v\noutages:\n%s", seed, err, l.events, l.moves, strings.Join(lines(want), "\n"))
		}
		for _, out := range want {
			if out.Certain {
				certain++
			} else {
				doubtful++
			}
		}
	}
	t.Logf("%d certain outages, %d doubtful", certain, doubtful)
	if certain < 10_000 || doubtful < 10_000 {
		t.Errorf("got %d certain and %d doubtful outages: too few to show anything", certain, doubtful)
	}
}

// agree wants one down for each certain outage, and for each other one at most.
func agree(outages []device.Outage, downs []time.Time, o device.Observer) error {
	for _, out := range outages {
		if !out.Certain {
			continue
		}
		i := slices.IndexFunc(downs, func(down time.Time) bool {
			return covers(out, down, o)
		})
		if i < 0 {
			return fmt.Errorf("certain outage of %v is missing in %v", out.Dropped, downs)
		}
		downs = slices.Delete(downs, i, i+1)
	}
	for _, down := range downs {
		i := slices.IndexFunc(outages, func(out device.Outage) bool { return !out.Certain && covers(out, down, o) })
		if i < 0 {
			return fmt.Errorf("outage at %v is not expected", down)
		}
		outages = slices.Delete(slices.Clone(outages), i, i+1)
	}
	return nil
}

// covers tells whether an outage may begin at a time.
func covers(out device.Outage, down time.Time, o device.Observer) bool {
	from, to := out.Deadline, out.Deadline.Add(o.Guard)
	if out.Cause == sluice.CauseSilent {
		from = out.Dropped.Add(o.Silent - o.Every)
	}
	if !out.Certain { // from its beginning, for as long as it may last
		from, to = out.Dropped, out.Back.Add(o.Guard)
		if out.Back.IsZero() || out.Cause == sluice.CauseSilent {
			to = down
		}
	}
	return !down.Before(from) && !down.After(to)
}
