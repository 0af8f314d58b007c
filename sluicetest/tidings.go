package sluicetest

import (
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/sluicev1"
)

// tidings are the events of one step of a store, in order, on their way to the
// queues of presence.
type tidings struct {
	scene   sluice.Scene
	events  []*sluicev1.PresenceEvent // for QueueEvents, if they are wanted there
	changes []*sluicev1.PresenceEvent // for QueueDevices
}

// describe returns an event with what is known of the device after it. at is a
// store time.
func describe(kind sluicev1.PresenceKind, d *sluice.Device, at int64) *sluicev1.PresenceEvent {
	e := &sluicev1.PresenceEvent{
		Kind: kind, Device: d.Name, State: stateOf(d.State), At: at,
		Generation: d.Generation, ConnectedAt: d.Connected, SeenAt: d.Seen, LostAt: d.Lost, DownAt: d.Down,
		Outages: int32(len(d.Outages)), Version: d.Version, MutedUntil: d.Muted,
	}
	if d.State == sluice.DeviceDown {
		e.Cause = causeOf(d.DownCause)
	}
	if d.Flapping {
		e.Flap = sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON
	}
	return e
}

// changed tells the database of a change that nobody else wants to know of.
func (t *tidings) changed(d *sluice.Device, at int64) {
	t.changes = append(t.changes, describe(sluicev1.PresenceKind_PRESENCE_KIND_CHANGED, d, at))
}

// report tells of what is worth a report.
func (t *tidings) report(e *sluicev1.PresenceEvent) {
	t.events = append(t.events, e)
	t.changes = append(t.changes, e)
}

// fall takes a device down. alive counts the devices that were not down before.
func (t *tidings) fall(d *sluice.Device, alive int) {
	flapped := d.Flapping
	d.Fall(t.scene)
	e := describe(sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE, d, d.Down)
	e.Muted, e.Alive = d.DownMuted, int32(alive)
	if d.Flapping && !flapped {
		e.Flap = sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN
	}
	t.report(e)
}

// recovery tells of a device that a move has brought back.
func (t *tidings) recovery(d *sluice.Device, m sluice.Move) {
	e := describe(sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY, d, m.At+t.scene.Offset)
	e.Cause, e.Muted = sluicev1.PresenceCause_PRESENCE_CAUSE_DATA, d.DownMuted
	if m.Kind == sluice.MoveConnect {
		e.Cause = sluicev1.PresenceCause_PRESENCE_CAUSE_CONNECT
	}
	t.report(e)
}

// steady ends the flapping of a device.
func (t *tidings) steady(d *sluice.Device) {
	at := d.Steady + t.scene.Offset
	d.BeSteady()
	e := describe(sluicev1.PresenceKind_PRESENCE_KIND_STEADY, d, at)
	e.Muted = d.Muted > at
	t.report(e)
}

// tell pushes the tidings of a step.
func (q *Queue) tell(t *tidings, events bool) (r sluice.PresenceReceipt) {
	if events && len(t.events) > 0 {
		r.Events = q.push(q.fifo(sluice.QueueEvents), q.encode(sluice.QueueEvents, t.events), sluice.EventsPolicy(), 0)
	}
	if len(t.changes) > 0 {
		r.Devices = q.push(q.fifo(sluice.QueueDevices), q.encode(sluice.QueueDevices, t.changes), sluice.DevicesPolicy(), 0)
	}
	r.Next = q.known.next()
	return r
}

func (q *Queue) encode(queue string, events []*sluicev1.PresenceEvent) []sluice.Message {
	now := q.now().Truncate(time.Microsecond) // what a frame can hold
	out := make([]sluice.Message, len(events))
	for i, e := range events {
		payload, err := proto.Marshal(e)
		if err != nil { // a name that is not UTF-8; checkMoves lets none in
			panic("sluicetest: " + err.Error())
		}
		out[i] = sluice.Message{Topic: queue, Payload: payload, Received: now}
	}
	return out
}

func stateOf(s sluice.DeviceState) sluicev1.PresenceState {
	switch s {
	case sluice.DeviceUp:
		return sluicev1.PresenceState_PRESENCE_STATE_UP
	case sluice.DeviceSuspect:
		return sluicev1.PresenceState_PRESENCE_STATE_SUSPECT
	case sluice.DeviceDown:
		return sluicev1.PresenceState_PRESENCE_STATE_DOWN
	}
	return sluicev1.PresenceState_PRESENCE_STATE_UNSPECIFIED
}

// causeOf is why a device went down.
func causeOf(c sluice.Cause) sluicev1.PresenceCause {
	switch c {
	case sluice.CauseWill:
		return sluicev1.PresenceCause_PRESENCE_CAUSE_LWT
	case sluice.CauseSilent:
		return sluicev1.PresenceCause_PRESENCE_CAUSE_SILENT
	case sluice.CauseGrace:
		return sluicev1.PresenceCause_PRESENCE_CAUSE_GRACE
	}
	return sluicev1.PresenceCause_PRESENCE_CAUSE_UNSPECIFIED
}
