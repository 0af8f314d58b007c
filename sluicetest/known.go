package sluicetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"sluice"
)

// known is what a Queue knows of devices. Guarded by the mutex of Queue.
type known struct {
	devices    map[string]*sluice.Device
	offset     int64 // store time less presence time
	graceUntil int64 // presence time, see sluice.Scene
	brokerSeen int64 // presence time, see sluice.Attendance
	unheard    int64 // presence time until which nobody could be heard of
	stormUntil int64 // presence time: the last deadline of the storm that was taken last
}

func (k *known) scene() sluice.Scene {
	return sluice.Scene{Offset: k.offset, GraceUntil: k.graceUntil}
}

// device returns the record of a device that is known from now on. The caller
// makes a move of it, so that it has a state.
func (k *known) device(name string) *sluice.Device {
	d := k.devices[name]
	if d == nil {
		d = &sluice.Device{Name: name}
		k.devices[name] = d
	}
	return d
}

// admit refuses a group in which more devices are new than may be known. They are
// admitted in the order of their first moves; skipped ones are not made.
func (k *known) admit(moves []sluice.Move, limit int, skipped map[int]bool) error {
	if limit <= 0 {
		return nil
	}
	fresh := map[string]bool{}
	var refused []int
	for i, m := range moves {
		switch {
		case k.devices[m.Device] != nil, fresh[m.Device], skipped[i]:
		case len(k.devices)+len(fresh) < limit:
			fresh[m.Device] = true
		default:
			refused = append(refused, i)
		}
	}
	if len(refused) > 0 {
		return &sluice.DeviceLimitError{Moves: refused}
	}
	return nil
}

// due returns the devices whose deadline is at or before a presence time, oldest
// deadline first.
func (k *known) due(by int64) []*sluice.Device {
	return k.whose(func(d *sluice.Device) int64 { return d.Deadline }, by)
}

// excuse gives those of the devices time that could not be heard of, and returns how
// many there were.
func (k *known) excuse(due []*sluice.Device, t *tidings) (n int) {
	for _, d := range due {
		if d.Hearken(k.unheard) == sluice.Changed {
			t.changed(d, k.unheard+k.offset)
			n++
		}
	}
	return n
}

// whose returns the devices that have a time up to by, in the order of it.
func (k *known) whose(time func(*sluice.Device) int64, by int64) (out []*sluice.Device) {
	for _, d := range k.devices {
		if at := time(d); at > 0 && at <= by {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *sluice.Device) int {
		return cmp.Or(cmp.Compare(time(a), time(b)), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// gathers returns until when the storm gathers that begins with a deadline, the
// earliest of all; 0 when it begins none, or the storm may be taken: its last
// deadline has passed and everything sent before that has been applied. What a
// limit leaves of a storm that may be taken is no new storm.
func (k *known) gathers(first, judged int64) int64 {
	storm := k.due(first + sluice.StormWindow.Microseconds())
	last := storm[len(storm)-1].Deadline
	switch {
	case first <= k.stormUntil || !sluice.Storm(len(storm), k.alive()):
		return 0
	case judged < last:
		return last
	}
	k.stormUntil = last
	return 0
}

// steady returns the devices that flap no more by a presence time, the first
// first.
func (k *known) steady(by int64) []*sluice.Device {
	return k.whose(func(d *sluice.Device) int64 { return d.Steady }, by)
}

// next is the presence time at which something is to be done next, 0 for none.
func (k *known) next() int64 {
	next := int64(0)
	for _, d := range k.devices {
		for _, at := range []int64{d.Deadline, d.Steady} {
			if at > 0 && (next == 0 || at < next) {
				next = at
			}
		}
	}
	return next
}

func (k *known) count() (c sluice.PresenceCounts) {
	for _, d := range k.devices {
		switch d.State {
		case sluice.DeviceUp:
			c.Up++
		case sluice.DeviceSuspect:
			c.Suspect++
		case sluice.DeviceDown:
			c.Down++
		}
	}
	return c
}

// alive counts the devices that are not down.
func (k *known) alive() int {
	c := k.count()
	return int(c.Up + c.Suspect)
}

func (k *known) names() []string { return slices.Sorted(maps.Keys(k.devices)) }

// page returns up to n names after a cursor, and the next cursor.
func (k *known) page(cursor string, n int) (names []string, next string) {
	names = k.names()
	first, found := slices.BinarySearch(names, cursor)
	if found {
		first++
	}
	names = names[first:]
	if len(names) <= n {
		return names, ""
	}
	return names[:n], names[n-1]
}

// checkMoves refuses what no ingest may say.
func checkMoves(moves []sluice.Move) error {
	for i, m := range moves {
		switch m.Kind {
		case sluice.MoveConnect, sluice.MoveWill, sluice.MoveSeen:
		default:
			return fmt.Errorf("move %d: unknown kind %q", i, m.Kind)
		}
		if !sluice.ValidName(m.Device) {
			return fmt.Errorf("move %d: device %q: %s", i, m.Device, sluice.NameRule)
		}
	}
	return nil
}

func cloneDevice(d *sluice.Device) sluice.Device {
	out := *d
	out.Outages = slices.Clone(d.Outages)
	return out
}
