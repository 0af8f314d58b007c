package store

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Reading is a decoded msg.SensorData. Device points into the payload.
type Reading struct {
	Device   []byte
	Epoch    int64 // Unix seconds
	Temp, RH float32
}

// Field numbers of msg.SensorData, and the tags that encoders write for them
// (number << 3 | wire type).
const (
	fieldDevice = 1
	fieldTemp   = 2
	fieldRH     = 3
	fieldEpoch  = 4

	tagDevice = fieldDevice<<3 | byte(protowire.BytesType)
	tagTemp   = fieldTemp<<3 | byte(protowire.Fixed32Type)
	tagRH     = fieldRH<<3 | byte(protowire.Fixed32Type)
	tagEpoch  = fieldEpoch<<3 | byte(protowire.VarintType)
)

// DecodeReading reads a msg.SensorData [protobuf.dev/programming-guides/encoding]
// without allocating: of a field that is repeated the last value counts, an
// unknown one is skipped, a missing one is zero. It fails on what the generated
// code refuses, and on a known field of another wire type, which that code takes
// for an unknown one: such a payload is not a reading.
func DecodeReading(p []byte, r *Reading) (fault string) {
	*r = Reading{}
	for len(p) > 0 {
		tag, n := p[0], 1
		switch tag {
		case tagDevice, tagTemp, tagRH, tagEpoch:
		default:
			if tag, n, fault = otherField(p); fault != "" {
				return fault
			}
		}
		p = p[n:]
		switch tag {
		case tagDevice:
			r.Device, n = protowire.ConsumeBytes(p)
			if n >= 0 && !utf8.Valid(r.Device) {
				return "device is not valid UTF-8"
			}
		case tagTemp:
			r.Temp, n = consumeFloat(p)
		case tagRH:
			r.RH, n = consumeFloat(p)
		case tagEpoch:
			var v uint64
			v, n = protowire.ConsumeVarint(p)
			r.Epoch = int64(v)
		default: // skipped by otherField
			continue
		}
		if n < 0 {
			return "truncated"
		}
		p = p[n:]
	}
	return ""
}

func consumeFloat(p []byte) (float32, int) {
	if len(p) < 4 {
		return 0, -1
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(p)), 4
}

// otherField reads a tag that is not one of the four usual bytes. A known field
// with its tag in a longer encoding gives the usual tag and the length of what
// was read; an unknown field is skipped whole and gives tag 0.
func otherField(p []byte) (tag byte, n int, fault string) {
	number, wire, n := protowire.ConsumeTag(p)
	if n < 0 || number > protowire.MaxValidNumber {
		return 0, 0, "not a protobuf message"
	}
	if number <= fieldEpoch {
		switch tag = byte(number)<<3 | byte(wire); tag {
		case tagDevice, tagTemp, tagRH, tagEpoch:
			return tag, n, ""
		}
		return 0, 0, "field of the wrong type"
	}
	skip := protowire.ConsumeFieldValue(number, wire, p[n:])
	if skip < 0 {
		return 0, 0, "not a protobuf message"
	}
	return 0, n + skip, ""
}
