package pathtest

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
)

// publication is one message of a device, and what must become of it. Fields
// below the line are its device's.
type publication struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool

	// One of these is set, or none: then nothing may be stored.
	row    *msg.SensorData // it must be a row of data.sensor
	number *number         // it must be a row of numbers
	dead   *deadWant       // it must be a dead letter

	id     uint16
	sends  int  // how often it was written to a connection
	acked  bool // PUBACK with success
	nobody bool // PUBACK: no subscriber
}

type number struct{ number, value int64 }

type deadWant struct{ route, reason string }

// wanted tells whether anything must become of the message.
func (p *publication) wanted() bool { return p.row != nil || p.number != nil || p.dead != nil }

func (p *publication) String() string {
	what := fmt.Sprintf("%q (%d bytes)", p.topic, len(p.payload))
	switch {
	case p.row != nil:
		what = fmt.Sprintf("reading %s/%d", p.row.Device, p.row.Epoch)
	case p.number != nil:
		what = fmt.Sprintf("number %d", p.number.number)
	case p.dead != nil:
		what += " " + p.dead.reason
	}
	return fmt.Sprintf("%s, sent %d times, acked %v", what, p.sends, p.acked)
}

// epoch0 is the time of every device's first reading.
const epoch0 = 1_700_000_000

// reading is the k-th reading of a device; its values follow from k.
func reading(topic, device string, k, padding int) *publication {
	row := &msg.SensorData{
		Device: device, Epoch: epoch0 + int64(k),
		Temp: float32(k%1000) / 10, Rh: float32(k%97) + 0.25,
	}
	return &publication{topic: topic, payload: pad(encode(row), padding), qos: 1, row: row}
}

// counted is the k-th message of a keyless sender.
func counted(sender, k, padding int) *publication {
	n := &number{number: int64(sender)<<32 + int64(k), value: int64(k)*31 + 7}
	return &publication{topic: routeNumber, payload: encodeNumber(n.number, n.value, padding), qos: 1, number: n}
}

// doomed is a message that must become a dead letter.
func doomed(topic string, payload []byte, route, reason string) *publication {
	return &publication{topic: topic, payload: payload, qos: 1, dead: &deadWant{route, reason}}
}

func encode(row *msg.SensorData) []byte {
	p, err := proto.Marshal(row)
	if err != nil {
		panic(err) // a string that is no UTF-8: see rawReading
	}
	return p
}

// pad makes a payload n bytes longer by a field that nobody knows, 3 to 5 bytes
// of which are its header.
func pad(payload []byte, n int) []byte {
	if n < 6 {
		return payload
	}
	payload = protowire.AppendTag(payload, 1000, protowire.BytesType)
	size := n - 2 - protowire.SizeVarint(uint64(n-4))
	return protowire.AppendBytes(payload, make([]byte, size))
}
