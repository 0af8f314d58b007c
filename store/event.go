package store

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/sluicev1"
)

// MaxTime is the last time of an event that is accepted, in Unix microseconds:
// the end of the year 9999, beyond which JSON has no form for it.
const MaxTime = 253402300799999999

// Words of the tables for what events say.
var (
	StateWords = map[sluicev1.PresenceState]string{
		sluicev1.PresenceState_PRESENCE_STATE_UP:      sluice.DeviceUp.String(),
		sluicev1.PresenceState_PRESENCE_STATE_SUSPECT: sluice.DeviceSuspect.String(),
		sluicev1.PresenceState_PRESENCE_STATE_DOWN:    sluice.DeviceDown.String(),
	}
	DownWords = map[sluicev1.PresenceCause]string{
		sluicev1.PresenceCause_PRESENCE_CAUSE_LWT:    sluice.CauseWill.String(),
		sluicev1.PresenceCause_PRESENCE_CAUSE_SILENT: sluice.CauseSilent.String(),
		sluicev1.PresenceCause_PRESENCE_CAUSE_GRACE:  sluice.CauseGrace.String(),
	}
	UpWords = map[sluicev1.PresenceCause]string{
		sluicev1.PresenceCause_PRESENCE_CAUSE_CONNECT: sluice.CauseConnect.String(),
		sluicev1.PresenceCause_PRESENCE_CAUSE_DATA:    sluice.CauseData.String(),
	}
	FlapWords = map[sluicev1.PresenceFlap]string{
		sluicev1.PresenceFlap_PRESENCE_FLAP_BEGAN:   "began",
		sluicev1.PresenceFlap_PRESENCE_FLAP_GOES_ON: "goes_on",
	}
)

// DecodeEvents reads the events of a batch and names what is none. Like every
// check before SQL it looks at nothing but the message.
func DecodeEvents(b *sluice.Batch) (events []*sluicev1.PresenceEvent, bad []sluice.BadMessage) {
	room := make([]sluicev1.PresenceEvent, len(b.Messages))
	events = make([]*sluicev1.PresenceEvent, 0, len(b.Messages))
	for i := range b.Messages {
		e := &room[i]
		if reason, detail := judgeEvent(b.Messages[i].Payload, e); reason != "" {
			bad = append(bad, sluice.BadMessage{Index: i, Reason: reason, Device: ShortText(e.Device), Detail: detail})
			continue
		}
		events = append(events, e)
	}
	return events, bad
}

// judgeEvent decodes a message and returns why it can never be stored, or "".
func judgeEvent(payload []byte, e *sluicev1.PresenceEvent) (reason, detail string) {
	if err := proto.Unmarshal(payload, e); err != nil {
		e.Device = ""
		return sluice.ReasonDecode, "not a sluice.v1.PresenceEvent" // the words of err differ from build to build
	}
	if e.Kind != sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART && !sluice.ValidName(e.Device) {
		return sluice.ReasonDeviceName, sluice.NameRule
	}
	if detail = eventFault(e); detail != "" {
		return sluice.ReasonDecode, detail
	}
	return "", ""
}

// eventFault says what an event lacks for its kind, "" for nothing.
func eventFault(e *sluicev1.PresenceEvent) string {
	var state, at, key bool // what it needs
	switch e.Kind {
	case sluicev1.PresenceKind_PRESENCE_KIND_CHANGED, sluicev1.PresenceKind_PRESENCE_KIND_STEADY:
		state = true
	case sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE:
		state, key = true, true
	case sluicev1.PresenceKind_PRESENCE_KIND_RECOVERY:
		state, at, key = true, true, true
	case sluicev1.PresenceKind_PRESENCE_KIND_REPORTED:
		key = true
	case sluicev1.PresenceKind_PRESENCE_KIND_FORGOTTEN, sluicev1.PresenceKind_PRESENCE_KIND_BROKER_RESTART:
		at = true
	default:
		return fmt.Sprintf("kind %d", e.Kind)
	}
	switch {
	case state && StateWords[e.State] == "":
		return fmt.Sprintf("state %d", e.State)
	case at && e.At == 0:
		return "at is missing"
	case key && e.DownAt == 0:
		return "down_at is missing"
	}
	for _, t := range [...]int64{e.At, e.ConnectedAt, e.SeenAt, e.LostAt, e.DownAt, e.MutedUntil} {
		if t < 0 || t > MaxTime {
			return fmt.Sprintf("time %d", t)
		}
	}
	return ""
}

// EndWords are the words of the tables for how an outage ended.
var EndWords = map[sluicev1.OutageEnd]string{
	sluicev1.OutageEnd_OUTAGE_END_UNSPECIFIED: "",
	sluicev1.OutageEnd_OUTAGE_END_CONNECT:     "connect",
	sluicev1.OutageEnd_OUTAGE_END_DATA:        "data",
	sluicev1.OutageEnd_OUTAGE_END_FORGOTTEN:   "forgotten",
	sluicev1.OutageEnd_OUTAGE_END_LOST:        "lost",
	sluicev1.OutageEnd_OUTAGE_END_UNKNOWN:     "unknown",
}

// ValueOf returns what a word of the tables stands for, other when it stands for
// nothing.
func ValueOf[T comparable](words map[T]string, word string, other T) T {
	for value, w := range words {
		if w == word {
			return value
		}
	}
	return other
}
