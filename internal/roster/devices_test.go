package roster

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice"
)

// However devices change, and are rolled back, counts and deadlines are those that a
// look at every device finds.
func TestDevices_IndexIsWhatALookAtAllFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d Devices
		name := rapid.Map(rapid.IntRange(0, 7), func(n int) string { return fmt.Sprint("d", n) })
		at := rapid.Int64Range(0, 9)
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				d.change(name.Draw(t, "device"), func(d *sluice.Device) sluice.Change {
					d.State = rapid.SampledFrom([]sluice.DeviceState{sluice.DeviceUp, sluice.DeviceSuspect, sluice.DeviceDown}).Draw(t, "state")
					d.Deadline, d.Steady = at.Draw(t, "deadline"), at.Draw(t, "steady")
					return sluice.Changed
				})
			},
			"leave": func(t *rapid.T) {
				d.change(name.Draw(t, "device"), func(d *sluice.Device) sluice.Change {
					d.Deadline = 1
					return sluice.NoChange
				})
			},
			"remove": func(t *rapid.T) {
				if n := name.Draw(t, "device"); d.Get(n) != nil {
					d.Remove(n)
				}
			},
			"tidy":     func(*rapid.T) { d.deadlines.tidyIfAny() },
			"commit":   func(*rapid.T) { d.table.Commit() },
			"rollback": func(*rapid.T) { d.rollback() },
			"":         func(t *rapid.T) { compareIndex(t, &d, at.Draw(t, "by"), rapid.IntRange(0, 9).Draw(t, "limit")) },
		})
	})
}

// tidyIfAny is tidy once there is something to tidy by.
func (d *deadlines) tidyIfAny() {
	if d.current != nil {
		d.tidy()
	}
}

func compareIndex(t *rapid.T, d *Devices, by int64, limit int) {
	var counts sluice.PresenceCounts
	var due []entry
	next := int64(0)
	for name, device := range d.All() {
		switch device.State {
		case sluice.DeviceUp:
			counts.Up++
		case sluice.DeviceSuspect:
			counts.Suspect++
		case sluice.DeviceDown:
			counts.Down++
		}
		for _, at := range []int64{device.Deadline, device.Steady} {
			if at > 0 && (next == 0 || at < next) {
				next = at
			}
		}
		if device.Deadline > 0 && device.Deadline <= by {
			due = append(due, entry{device.Deadline, name})
		}
	}
	slices.SortFunc(due, func(a, b entry) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.device, b.device)) })
	if d.Count() != counts {
		t.Fatalf("counts %+v, want %+v", d.Count(), counts)
	}
	if d.next() != next {
		t.Fatalf("next %d, want %d", d.next(), next)
	}
	n, last := d.deadlines.count(by)
	if n != len(due) || n > 0 && last != due[n-1].at {
		t.Fatalf("%d due, the last at %d, want %+v", n, last, due)
	}
	var names []string
	for _, e := range due[:min(limit, len(due))] {
		names = append(names, e.device)
	}
	if diff := gocmp.Diff(names, d.deadlines.upTo(by, limit)); diff != "" {
		t.Fatalf("due by %d (-want +got):\n%s", by, diff)
	}
}

// What counts for nothing any more is thrown away: silence moves a deadline with every
// message.
func TestDeadlines_StayFew(t *testing.T) {
	t.Parallel()
	var d Devices
	for at := range int64(100_000) {
		d.change("d", func(d *sluice.Device) sluice.Change {
			d.State, d.Deadline = sluice.DeviceUp, at+1
			return sluice.Changed
		})
		d.table.Commit()
	}
	if n := len(d.deadlines.entries); n > 2000 {
		t.Errorf("%d entries for one device", n)
	}
}
