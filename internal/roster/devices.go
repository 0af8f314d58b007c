package roster

import (
	"iter"
	"slices"

	"sluice"
)

// Devices are the known devices.
type Devices struct {
	table     Table[string, sluice.Device]
	counts    sluice.PresenceCounts
	deadlines deadlines
	steady    deadlines
}

// Len is the number of devices.
func (d *Devices) Len() int { return d.table.Len() }

// Get returns a device, nil if it is not known. It must not be changed.
func (d *Devices) Get(name string) *sluice.Device { return d.table.Get(name) }

// Changed yields the devices that the step changed, nil for one that it removed.
func (d *Devices) Changed() iter.Seq2[string, *sluice.Device] { return d.table.Changed() }

// All yields all devices, in no order.
func (d *Devices) All() iter.Seq2[string, *sluice.Device] { return d.table.All() }

// Count counts the devices by state.
func (d *Devices) Count() sluice.PresenceCounts { return d.counts }

// Load makes a device known as it was.
func (d *Devices) Load(device sluice.Device) {
	d.change(device.Name, func(known *sluice.Device) sluice.Change {
		*known = device
		return sluice.Changed
	})
}

// alive counts the devices that are not down.
func (d *Devices) alive() int { return int(d.counts.Up + d.counts.Suspect) }

// change changes a device, which is known from then on unless nothing was changed.
func (d *Devices) change(name string, how func(*sluice.Device) sluice.Change) sluice.Change {
	before := d.table.Get(name)
	after := sluice.Device{Name: name}
	if before != nil {
		after = *before
	}
	change := how(&after)
	if change == sluice.NoChange {
		return change
	}
	if before == nil {
		d.table.Put(name)
		before = &sluice.Device{}
	}
	was := *before
	*d.table.Edit(name) = after
	d.index(&was, &after)
	return change
}

// Remove removes a device that is known.
func (d *Devices) Remove(name string) {
	was := *d.table.Get(name)
	d.table.Remove(name)
	d.index(&was, &sluice.Device{Name: name})
}

// index keeps counts and deadlines in step with a device; one without a state is not
// known.
func (d *Devices) index(before, after *sluice.Device) {
	d.count(before.State, -1)
	d.count(after.State, 1)
	if d.deadlines.current == nil {
		d.deadlines.current = d.time(func(d *sluice.Device) int64 { return d.Deadline })
		d.steady.current = d.time(func(d *sluice.Device) int64 { return d.Steady })
	}
	d.deadlines.set(after.Name, before.Deadline, after.Deadline, d.Len())
	d.steady.set(after.Name, before.Steady, after.Steady, d.Len())
}

func (d *Devices) time(of func(*sluice.Device) int64) func(string) int64 {
	return func(name string) int64 {
		if device := d.table.Get(name); device != nil {
			return of(device)
		}
		return 0
	}
}

func (d *Devices) count(s sluice.DeviceState, n int64) {
	switch s {
	case sluice.DeviceUp:
		d.counts.Up += n
	case sluice.DeviceSuspect:
		d.counts.Suspect += n
	case sluice.DeviceDown:
		d.counts.Down += n
	}
}

// next is the presence time at which something is to be done next, 0 for none.
func (d *Devices) next() int64 {
	a, b := d.deadlines.first(), d.steady.first()
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (d *Devices) rollback() {
	changed := map[string]sluice.Device{}
	for name, now := range d.table.Changed() {
		changed[name] = sluice.Device{Name: name}
		if now != nil {
			changed[name] = *now
		}
	}
	d.table.Rollback()
	for name, was := range changed {
		if now := d.table.Get(name); now != nil {
			d.index(&was, now)
		} else {
			d.index(&was, &sluice.Device{Name: name})
		}
	}
}

// Page is that of Table, with copies of the devices.
func (d *Devices) Page(cursor string, n int) (page []sluice.Device, next string) {
	names, next := d.table.Page(cursor, n)
	for _, name := range names {
		page = append(page, CloneDevice(d.table.Get(name)))
	}
	return page, next
}

// CloneDevice returns a copy that shares nothing.
func CloneDevice(d *sluice.Device) sluice.Device {
	out := *d
	out.Outages = slices.Clone(d.Outages)
	return out
}
