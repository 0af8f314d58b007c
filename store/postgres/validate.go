package postgres

import (
	"fmt"
	"math"
	"time"

	"sluice"
)

// Defaults of SensorConfig.
var defaultEpochMin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const defaultEpochAhead = 24 * time.Hour

// rules are the checks that a reading has to pass before SQL. They depend on
// the message alone, never on the present time: every attempt judges alike.
type rules struct {
	epochMin   int64 // Unix seconds
	epochAhead int64 // seconds after the message was received
}

// row is a message that passed: its reading and its place in the batch.
type row struct {
	reading
	index int
}

// sift decodes and checks the messages of b. It appends those that pass to rows
// and names the others.
func (k rules) sift(b *sluice.Batch, rows []row) ([]row, []sluice.BadMessage) {
	var bad []sluice.BadMessage
	var topic, owner string // neighbours mostly share a topic: one comparison of pointers
	for i := range b.Messages {
		m := &b.Messages[i]
		if m.Topic != topic {
			topic, owner = m.Topic, b.Capture(i, "device")
		}
		rows = append(rows, row{index: i})
		r := &rows[len(rows)-1].reading
		if reason, detail := k.judge(m, owner, r); reason != "" {
			bad = append(bad, sluice.BadMessage{Index: i, Reason: reason, Device: sender(owner, r), Detail: detail})
			rows = rows[:len(rows)-1]
		}
	}
	return rows, bad
}

// judge decodes a message and returns why it can never be a row, or "". owner is
// the device that the topic names, "" when it names none.
func (k rules) judge(m *sluice.Message, owner string, r *reading) (reason, detail string) {
	if fault := decodeReading(m.Payload, r); fault != "" {
		r.device = nil
		return sluice.ReasonDecode, fault
	}
	switch {
	case !sluice.ValidName(r.device):
		return sluice.ReasonDeviceName, sluice.NameRule
	case owner != "" && owner != string(r.device):
		return sluice.ReasonIdentity, fmt.Sprintf("the payload names device %q", r.device)
	case !finite(r.temp), !finite(r.rh):
		return sluice.ReasonNotFinite, fmt.Sprintf("temp %v, rh %v", r.temp, r.rh)
	case r.epoch < k.epochMin, r.epoch > m.Received.Unix()+k.epochAhead:
		return sluice.ReasonEpoch, fmt.Sprintf("epoch %d, received %d", r.epoch, m.Received.Unix())
	}
	return "", ""
}

func finite(f float32) bool {
	const exponent = 0x7f800000 // all ones in NaN and infinity [IEEE 754]
	return math.Float32bits(f)&exponent != exponent
}

// sender is who a bad message is charged to: the device of the topic, which the
// broker has checked, before the one that the payload claims.
func sender(owner string, r *reading) string {
	if owner != "" {
		return shortText(owner)
	}
	return shortText(string(r.device[:min(len(r.device), 4*sluice.MaxName)]))
}
