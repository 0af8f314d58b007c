package pathload

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
)

// Publication is one message of a device, and what must become of it. The fields
// that are not exported are its device's.
type Publication struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool

	// One of these is set, or none: then nothing may be stored.
	Row    *msg.SensorData // it must be a row of data.sensor
	Number *Number         // it must be a row of numbers
	Dead   *Dead           // it must be a dead letter

	id     uint16
	sends  int  // how often it was written to a connection
	acked  bool // PUBACK with success
	nobody bool // PUBACK: no subscriber
}

// Number is what a message of the keyless route says.
type Number struct{ Number, Value int64 }

// Dead is a dead letter by its route and reason.
type Dead struct{ Route, Reason string }

// Acknowledged tells whether a PUBACK with success has come.
func (p *Publication) Acknowledged() bool { return p.acked }

// Unsubscribed tells whether its PUBACK said that nobody had subscribed.
func (p *Publication) Unsubscribed() bool { return p.nobody }

// Wanted tells whether anything must become of the message.
func (p *Publication) Wanted() bool { return p.Row != nil || p.Number != nil || p.Dead != nil }

func (p *Publication) String() string {
	what := fmt.Sprintf("%q (%d bytes)", p.Topic, len(p.Payload))
	switch {
	case p.Row != nil:
		what = fmt.Sprintf("reading %s/%d", p.Row.Device, p.Row.Epoch)
	case p.Number != nil:
		what = fmt.Sprintf("number %d", p.Number.Number)
	case p.Dead != nil:
		what += " " + p.Dead.Reason
	}
	return fmt.Sprintf("%s, sent %d times, acked %v", what, p.sends, p.acked)
}

// Epoch0 is the time of every device's first reading.
const Epoch0 = 1_700_000_000

// Reading is the k-th reading of a device; its values follow from k.
func Reading(topic, device string, k, padding int) *Publication {
	row := &msg.SensorData{
		Device: device, Epoch: Epoch0 + int64(k),
		Temp: float32(k%1000) / 10, Rh: float32(k%97) + 0.25,
	}
	return &Publication{Topic: topic, Payload: Pad(Encode(row), padding), QoS: 1, Row: row}
}

// Counted is the k-th message of a keyless sender.
func Counted(sender, k, padding int) *Publication {
	n := &Number{Number: int64(sender)<<32 + int64(k), Value: int64(k)*31 + 7}
	return &Publication{Topic: RouteNumber, Payload: EncodeNumber(n.Number, n.Value, padding), QoS: 1, Number: n}
}

// Doomed is a message that must become a dead letter.
func Doomed(topic string, payload []byte, route, reason string) *Publication {
	return &Publication{Topic: topic, Payload: payload, QoS: 1, Dead: &Dead{route, reason}}
}

// Encode is the payload of a reading, nil if its device is not UTF-8.
func Encode(row *msg.SensorData) []byte {
	p, _ := proto.Marshal(row) // there is no other reason to fail
	return p
}

// Pad makes a payload n bytes longer by a field that nobody knows, 3 to 5 bytes
// of which are its header. Fewer than 6 bytes are none.
func Pad(payload []byte, n int) []byte {
	if n < 6 {
		return payload
	}
	payload = protowire.AppendTag(payload, 1000, protowire.BytesType)
	size := n - 2 - protowire.SizeVarint(uint64(n-4))
	return protowire.AppendBytes(payload, make([]byte, size))
}
