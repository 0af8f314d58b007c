package roster

import (
	"maps"
	"slices"

	"sluice"
)

// room refuses a group in which more devices are new than may be known. They are
// admitted in the order of their first moves; skipped ones are not made.
func (r *Roster) room(moves []sluice.Move, limit int, skipped map[int]bool) error {
	if limit <= 0 {
		return nil
	}
	fresh := map[string]bool{}
	var refused []int
	for i, m := range moves {
		switch {
		case r.Devices.Get(m.Device) != nil, fresh[m.Device], skipped[i]:
		case r.Devices.Len()+len(fresh) < limit:
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

// move makes the moves of a group. A recovery is told as it happens; of every
// other change only what the group as a whole made of the device.
func (r *Roster) move(g *sluice.Group, now int64) *Tidings {
	if len(g.Moves) == 0 {
		return nil
	}
	t := r.tidings()
	untold := map[string]int64{} // device: when it changed last
	for _, m := range g.Moves {
		if m.Kind != sluice.MoveSeen { // a reading is counted by its route
			t.Moves++
		}
		if m.Client != "" && !r.finishWill(m.Client, m.Connection, now) {
			continue
		}
		switch r.Devices.change(m.Device, func(d *sluice.Device) sluice.Change { return d.Apply(m, t.scene) }) {
		case sluice.Changed:
			untold[m.Device] = m.At
		case sluice.CameBack:
			t.recovery(r.Devices.Get(m.Device), m)
			delete(untold, m.Device)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(untold)) {
		t.changed(r.Devices.Get(name), untold[name]+t.scene.Offset)
	}
	return t
}

// ForgetDevice is that of sluice.DeviceStore; nil when it is not known.
func (r *Roster) ForgetDevice(name string, now int64) *Tidings {
	d := r.Devices.Get(name)
	if d == nil {
		return nil
	}
	version := max(d.Version+1, r.Clock(now).Now)
	r.Devices.Remove(name)
	t := r.tidings()
	t.forgotten(name, now, version)
	return t
}

// MuteDevice mutes a device until a store time; nil when it is not known.
func (r *Roster) MuteDevice(name string, until, now int64) *Tidings {
	if r.Devices.Get(name) == nil {
		return nil
	}
	r.Devices.change(name, func(d *sluice.Device) sluice.Change {
		d.Muted, d.Version = until, max(d.Version+1, r.Clock(now).Now)
		return sluice.Changed
	})
	t := r.tidings()
	t.changed(r.Devices.Get(name), now)
	return t
}
