package sluicetest

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"sluice"
	"sluice/gen/sluicev1"
)

// events empties a queue of presence.
func (r *deviceRig) events(queue string) []*sluicev1.PresenceEvent {
	r.Helper()
	now := r.clock()
	messages := r.empty(queue)
	for _, m := range messages {
		if at := m.Received.UnixMicro(); m.Topic != queue || at < r.base+r.offset || at > now.Now+now.Offset {
			r.Fatalf("%s: message of topic %s received at %v, want topic %s and the store's time", queue, m.Topic, m.Received, queue)
		}
	}
	out, err := decodeEvents(messages)
	r.ok(err)
	return out
}

// decodeEvents reads events.
func decodeEvents(messages []sluice.Message) ([]*sluicev1.PresenceEvent, error) {
	out := make([]*sluicev1.PresenceEvent, len(messages))
	for i, m := range messages {
		e := &sluicev1.PresenceEvent{}
		if err := proto.Unmarshal(m.Payload, e); err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

// told checks what queues of presence have now; nothing else is in them.
func (r *deviceRig) told(queue string, want ...*sluicev1.PresenceEvent) {
	r.Helper()
	sameEvents(r.rig, queue, r.events(queue), want)
}

func sameEvents(r *rig, queue string, got, want []*sluicev1.PresenceEvent) {
	r.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform(), cmpopts.EquateEmpty()); diff != "" {
		r.Fatalf("events in %s (-want +got):\n%s", queue, diff)
	}
}

// quiet empties both queues of presence.
func (r *deviceRig) quiet() {
	r.Helper()
	r.events(sluice.QueueEvents)
	r.events(sluice.QueueDevices)
}

// event is what is told of a device after an event, by the words of its record.
func event(kind string, d sluice.Device, at int64) *sluicev1.PresenceEvent {
	e := &sluicev1.PresenceEvent{
		Kind:   sluicev1.PresenceKind(sluicev1.PresenceKind_value["PRESENCE_KIND_"+kind]),
		Device: d.Name,
		State:  sluicev1.PresenceState(sluicev1.PresenceState_value["PRESENCE_STATE_"+strings.ToUpper(d.State.String())]),
		At:     at, Generation: d.Generation, ConnectedAt: d.Connected, SeenAt: d.Seen, LostAt: d.Lost, DownAt: d.Down,
		Outages: int32(len(d.Outages)), Version: d.Version, MutedUntil: d.Muted,
	}
	if d.State == sluice.DeviceDown {
		e.Cause = causeNamed(d.DownCause)
	}
	if d.Flapping {
		e.Flap = sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON
	}
	return e
}

func changedEvent(d sluice.Device, at int64) *sluicev1.PresenceEvent { return event("CHANGED", d, at) }

// outageEvent is of a device that has just gone down, one of alive.
func outageEvent(d sluice.Device, alive int) *sluicev1.PresenceEvent {
	e := event("OUTAGE", d, d.Down)
	e.Alive, e.Muted = int32(alive), d.DownMuted
	return e
}

// recoveryEvent is of a device that has just come back.
func recoveryEvent(d sluice.Device, m sluice.Move, offset int64) *sluicev1.PresenceEvent {
	e := event("RECOVERY", d, m.At+offset)
	e.Cause, e.Muted = causeNamed(map[sluice.MoveKind]sluice.Cause{sluice.MoveConnect: sluice.CauseConnect, sluice.MoveSeen: sluice.CauseData}[m.Kind]), d.DownMuted
	if d.Flapping {
		e.Flap = sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON
	}
	return e
}

func causeNamed(c sluice.Cause) sluicev1.PresenceCause {
	return sluicev1.PresenceCause(sluicev1.PresenceCause_value["PRESENCE_CAUSE_"+strings.ToUpper(c.String())])
}

// byDevice sorts events by device; those of one device stay in order.
func byDevice(events []*sluicev1.PresenceEvent) []*sluicev1.PresenceEvent {
	slices.SortStableFunc(events, func(a, b *sluicev1.PresenceEvent) int { return strings.Compare(a.Device, b.Device) })
	return events
}

// outagesOf counts the outages among events by device.
func outagesOf(events []*sluicev1.PresenceEvent) map[string]int {
	out := map[string]int{}
	for _, e := range events {
		if e.Kind == sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE {
			out[e.Device]++
		}
	}
	return out
}
