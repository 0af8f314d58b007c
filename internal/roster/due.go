package roster

import "sluice"

// Due is that of sluice.DeviceStore, without its receipt.
func (r *Roster) Due(q sluice.DueRequest, now int64) (result sluice.DueResult, t *Tidings) {
	result.CaughtUp, t = r.caughtUp(now), r.tidings()
	judged, limit := min(result.CaughtUp, q.Now), max(q.Limit, 0)
	fall, steady := r.Devices.deadlines.upTo(judged, limit), r.Devices.steady.upTo(judged, limit)
	if result.Excused = r.excuse(fall, t); result.Excused > 0 {
		return result, t
	}
	if result.Wait = r.gathers(judged); result.Wait > 0 {
		fall = nil
	}
	alive := r.Devices.alive()
	for _, name := range fall {
		if d := r.Devices.Get(name); d.Steady > 0 && d.Steady <= d.Deadline { // it was steady before it fell
			r.beSteady(name, t)
			result.Steadied++
		}
		r.fall(name, alive, t)
		alive--
		result.Fell++
	}
	for _, name := range steady {
		if d := r.Devices.Get(name); d.Steady > 0 && d.Steady <= judged { // it did not fall just now
			r.beSteady(name, t)
			result.Steadied++
		}
	}
	return result, t
}

// excuse gives those of the devices time that could not be heard of, and returns how
// many there were.
func (r *Roster) excuse(due []string, t *Tidings) (n int) {
	unheard := r.facts().Unheard
	for _, name := range due {
		if r.Devices.change(name, func(d *sluice.Device) sluice.Change { return d.Hearken(unheard) }) == sluice.Changed {
			t.changed(r.Devices.Get(name), unheard+t.scene.Offset)
			n++
		}
	}
	return n
}

// gathers returns until when the storm gathers that begins with the earliest deadline of
// all; 0 when that is not due or begins none, or the storm may be taken: its last
// deadline has passed and everything sent before that has been applied. What a limit
// leaves of a storm that may be taken is no new storm.
func (r *Roster) gathers(judged int64) int64 {
	first := r.Devices.deadlines.first()
	if first == 0 || first > judged || first <= r.facts().StormUntil {
		return 0
	}
	n, last := r.Devices.deadlines.count(first + sluice.StormWindow.Microseconds())
	switch {
	case !sluice.Storm(n, r.Devices.alive()):
		return 0
	case judged < last:
		return last
	}
	r.Facts.Edit("").StormUntil = last
	return 0
}

// fall takes a device down. alive counts the devices that were not down before.
func (r *Roster) fall(name string, alive int, t *Tidings) {
	flapped := r.Devices.Get(name).Flapping
	r.Devices.change(name, func(d *sluice.Device) sluice.Change { return d.Fall(t.scene) })
	t.outage(r.Devices.Get(name), alive, flapped)
}

// beSteady ends the flapping of a device.
func (r *Roster) beSteady(name string, t *Tidings) {
	at := r.Devices.Get(name).Steady + t.scene.Offset
	r.Devices.change(name, (*sluice.Device).BeSteady)
	t.steady(r.Devices.Get(name), at)
}

// Grace is that of sluice.DeviceStore, without its receipt.
func (r *Roster) Grace(q sluice.GraceRequest, cursor string) (next string, t *Tidings) {
	if t = r.tidings(); cursor == "" && q.Until > r.facts().GraceUntil && !q.Lost { // else it is a repeat
		r.Facts.Edit("").GraceUntil = q.Until
		t.restart(q)
	}
	scene := r.scene()
	names, next := r.Devices.table.Page(cursor, r.Pages.Grace)
	for _, name := range names {
		change := r.Devices.change(name, func(d *sluice.Device) sluice.Change {
			if q.Lost {
				return d.Pardon(q.Now, q.Until, q.Since+scene.Offset)
			}
			return d.Grace(q.Now, q.Until, q.Since+scene.Offset, scene)
		})
		if change != sluice.NoChange {
			t.changed(r.Devices.Get(name), q.Now+scene.Offset)
		}
	}
	return next, t
}
