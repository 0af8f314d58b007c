package store

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"sluice"
)

// DefaultEpochAhead is how far a reading's time may lie after the time at which its
// message was received.
const DefaultEpochAhead = 24 * time.Hour

// DefaultEpochMin is the earliest time of a reading that is accepted, 2000-01-01 UTC.
const DefaultEpochMin = 946684800 // Unix seconds

// Rules are the checks that a reading has to pass before SQL. They depend on
// the message alone, never on the present time: every attempt judges alike.
type Rules struct {
	EpochMin   int64 // Unix seconds
	EpochAhead int64 // seconds after the message was received
}

// NewRules returns the rules for these limits, of which zero means the default.
func NewRules(epochMin time.Time, epochAhead time.Duration) Rules {
	k := Rules{EpochMin: DefaultEpochMin, EpochAhead: int64(cmp.Or(epochAhead, DefaultEpochAhead) / time.Second)}
	if !epochMin.IsZero() {
		k.EpochMin = epochMin.Unix()
	}
	return k
}

// Row is a message that passed: its reading and its place in the batch.
type Row struct {
	Reading

	Index int
}

// Sift decodes and checks the messages of b. It appends those that pass to rows
// and names the others.
func (k Rules) Sift(b *sluice.Batch, rows []Row) ([]Row, []sluice.BadMessage) {
	var bad []sluice.BadMessage
	var topic, owner string // neighbours mostly share a topic: one comparison of pointers
	for i := range b.Messages {
		m := &b.Messages[i]
		if m.Topic != topic {
			topic, owner = m.Topic, b.Capture(i, "device")
		}
		rows = append(rows, Row{Index: i})
		r := &rows[len(rows)-1].Reading
		if reason, detail := k.judge(m, owner, r); reason != "" {
			bad = append(bad, sluice.BadMessage{Index: i, Reason: reason, Device: sender(owner, r), Detail: detail})
			rows = rows[:len(rows)-1]
		}
	}
	return rows, bad
}

// judge decodes a message and returns why it can never be a row, or "". owner is
// the device that the topic names, "" when it names none.
func (k Rules) judge(m *sluice.Message, owner string, r *Reading) (reason, detail string) {
	if fault := DecodeReading(m.Payload, r); fault != "" {
		r.Device = nil
		return sluice.ReasonDecode, fault
	}
	switch {
	case !sluice.ValidName(r.Device):
		return sluice.ReasonDeviceName, sluice.NameRule
	case owner != "" && owner != string(r.Device):
		return sluice.ReasonIdentity, fmt.Sprintf("the payload names device %q", r.Device)
	case !finite(r.Temp), !finite(r.RH):
		return sluice.ReasonNotFinite, fmt.Sprintf("temp %v, rh %v", r.Temp, r.RH)
	case r.Epoch < k.EpochMin, r.Epoch > m.Received.Unix()+k.EpochAhead:
		return sluice.ReasonEpoch, fmt.Sprintf("epoch %d, received %d", r.Epoch, m.Received.Unix())
	}
	return "", ""
}

func finite(f float32) bool {
	const exponent = 0x7f800000 // all ones in NaN and infinity [IEEE 754]
	return math.Float32bits(f)&exponent != exponent
}

// sender is who a bad message is charged to: the device of the topic, which the
// broker has checked, before the one that the payload claims.
func sender(owner string, r *Reading) string {
	if owner != "" {
		return ShortText(owner)
	}
	return ShortText(string(r.Device[:min(len(r.Device), 4*sluice.MaxName)]))
}
