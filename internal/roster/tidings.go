package roster

import (
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/sluicev1"
)

// Tidings are the events of one step of a store, in order, on their way to the queues
// of presence.
type Tidings struct {
	// Events are for QueueEvents, if they are wanted there, Changes for QueueDevices.
	Events, Changes []*sluicev1.PresenceEvent
	// Moves counts the connects and wills of a group, for AccountPresence.
	Moves int

	scene sluice.Scene
}

func (r *Roster) tidings() *Tidings { return &Tidings{scene: r.scene()} }

// Next is the presence time of the earliest deadline, for a PresenceReceipt.
func (r *Roster) Next() int64 { return r.Devices.next() }

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
func (t *Tidings) changed(d *sluice.Device, at int64) {
	t.Changes = append(t.Changes, describe(sluicev1.PresenceKind_PRESENCE_KIND_CHANGED, d, at))
}

func (t *Tidings) forgotten(name string, at, version int64) {
	e := describe(sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN, &sluice.Device{Name: name}, at)
	e.Version = version
	t.Changes = append(t.Changes, e)
}

// report tells of what is worth a report.
func (t *Tidings) report(e *sluicev1.PresenceEvent) {
	t.Events = append(t.Events, e)
	t.Changes = append(t.Changes, e)
}

// outage tells of a device that has fallen. alive counts the devices that were not down
// before.
func (t *Tidings) outage(d *sluice.Device, alive int, flapped bool) {
	e := describe(sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE, d, d.Down)
	e.Muted, e.Alive = d.DownMuted, int32(alive)
	if d.Flapping && !flapped {
		e.Flap = sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN
	}
	t.report(e)
}

// recovery tells of a device that a move has brought back.
func (t *Tidings) recovery(d *sluice.Device, m sluice.Move) {
	e := describe(sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY, d, m.At+t.scene.Offset)
	e.Cause, e.Muted = sluicev1.PresenceCause_PRESENCE_CAUSE_DATA, d.DownMuted
	if m.Kind == sluice.MoveConnect {
		e.Cause = sluicev1.PresenceCause_PRESENCE_CAUSE_CONNECT
	}
	t.report(e)
}

// steady tells of a device that flaps no more since a store time.
func (t *Tidings) steady(d *sluice.Device, at int64) {
	e := describe(sluicev1.PresenceKind_PRESENCE_KIND_STEADY, d, at)
	e.Muted = d.Muted > at
	t.report(e)
}

// restart tells that the broker was restarted.
func (t *Tidings) restart(q sluice.GraceRequest) {
	t.report(&sluicev1.PresenceEvent{
		Kind: sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART,
		At:   q.Now + t.scene.Offset, DownAt: q.Started + t.scene.Offset, Version: q.Now,
	})
}

// Frame returns events as messages of a queue of presence, received now.
func Frame(queue string, events []*sluicev1.PresenceEvent, now int64) (f sluice.Frame, err error) {
	for _, e := range events {
		payload, err := proto.Marshal(e)
		if err != nil { // a name that is not UTF-8; CheckMoves lets none in
			return f, err
		}
		f.Append([]byte(queue), payload, now)
	}
	return f, nil
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
