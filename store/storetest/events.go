package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"sluice"
	pb "sluice/gen/sluicev1"
)

// Short names for the kinds of events.
const (
	Changed   = pb.PresenceKind_PRESENCE_KIND_CHANGED
	Fell      = pb.PresenceKind_PRESENCE_KIND_OUTAGE
	CameBack  = pb.PresenceKind_PRESENCE_KIND_RECOVERY
	Steady    = pb.PresenceKind_PRESENCE_KIND_STEADY
	Restarted = pb.PresenceKind_PRESENCE_KIND_BROKER_RESTART
	Reported  = pb.PresenceKind_PRESENCE_KIND_REPORTED
	Forgotten = pb.PresenceKind_PRESENCE_KIND_FORGOTTEN
)

// Micros is the time of n microseconds after Epoch: of events n is small.
func Micros(n int64) int64 { return Epoch*1_000_000 + n }

// Event returns an event of that kind and version, complete for its kind, to
// which change adds. Its outage began at down (0: none), in steps of Micros.
func Event(kind pb.PresenceKind, device string, version, down int64, change func(*pb.PresenceEvent)) *pb.PresenceEvent {
	e := &pb.PresenceEvent{Kind: kind, Device: device, Version: version, At: Micros(version), Generation: version}
	if down != 0 {
		e.DownAt = Micros(down)
	}
	e.State = pb.PresenceState_PRESENCE_STATE_UP
	switch kind {
	case Fell:
		e.State, e.Cause, e.LostAt = pb.PresenceState_PRESENCE_STATE_DOWN, pb.PresenceCause_PRESENCE_CAUSE_LWT, Micros(down-5)
	case CameBack:
		e.Cause = pb.PresenceCause_PRESENCE_CAUSE_CONNECT
	case Reported:
		e.Receiver, e.Report = "chat", "r1"
	}
	if change != nil {
		change(e)
	}
	return e
}

func reportOf(device string, down int64, receiver, id string) *pb.PresenceEvent {
	return Event(Reported, device, 0, down, func(e *pb.PresenceEvent) { e.Receiver, e.Report = receiver, id })
}

// PresenceBatch is a batch of the queue of devices.
func PresenceBatch(events ...*pb.PresenceEvent) *sluice.Batch {
	b := &sluice.Batch{ID: sluice.NewBatchID(), Route: sluice.QueueDevices, Attempt: 1}
	for _, e := range events {
		p, err := proto.Marshal(e)
		if err != nil {
			panic(err)
		}
		b.Messages = append(b.Messages, Message(p))
	}
	return b
}

// DeviceRow and OutageRow are rows of a facility as the suite compares them: times as Unix
// microseconds, 0 for none.
type DeviceRow struct {
	Device, State                           string
	Generation, Connected, Seen, Lost, Down int64
	Cause                                   string
	Flapping                                bool
	Muted, Version                          int64
}

// OutageRow is an outage.
type OutageRow struct {
	Device          string
	Down, Up, Lost  int64
	Cause, Recovery string
	Muted           bool
	Flap            string
	Reports         []string
}

// RestartRow is a restart of the broker.
type RestartRow struct{ At, Started int64 }

// Tables is all that a facility has of devices, in the order of their keys.
type Tables struct {
	Devices  []DeviceRow
	Outages  []OutageRow
	Restarts []RestartRow
}

// WantTables checks what the sink of a facility has written.
func WantTables(t testing.TB, s Store, facility int32, want Tables) {
	t.Helper()
	got, err := s.Tables(t.Context(), facility)
	must(t, err)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// upRow, downRow, lasting and over are the rows that event leads to.
func upRow(device string, version int64, change func(*DeviceRow)) DeviceRow {
	r := DeviceRow{Device: device, State: "up", Generation: version, Version: version}
	if change != nil {
		change(&r)
	}
	return r
}

func downRow(device string, version, down int64) DeviceRow {
	return upRow(device, version, func(r *DeviceRow) { r.State, r.Down, r.Lost, r.Cause = "down", Micros(down), Micros(down-5), "lwt" })
}

func lasting(device string, down int64) OutageRow {
	return OutageRow{Device: device, Down: Micros(down), Lost: Micros(down - 5), Cause: "lwt"}
}

func over(device string, down, up int64, recovery string) OutageRow {
	r := lasting(device, down)
	r.Up, r.Recovery = Micros(up), recovery
	return r
}
