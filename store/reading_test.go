package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
)

func TestDecodeReading(t *testing.T) {
	t.Parallel()
	good := raw(0x0a, 2, "d1", 0x15, float32(21.5), 0x1d, float32(40), 0x20, 0x96, 0x01)
	want := Reading{Device: []byte("d1"), Temp: 21.5, RH: 40, Epoch: 150}
	for _, tc := range []struct {
		name    string
		payload []byte
		want    Reading
	}{
		{"all fields", good, want},
		{"empty", nil, Reading{}},
		{"any order", raw(0x20, 0x96, 0x01, 0x1d, float32(40), 0x15, float32(21.5), 0x0a, 2, "d1"), want},
		{"last value counts", append(raw(0x0a, 1, "x", 0x20, 1), good...), want},
		{"unknown varint", append(raw(0x28, 0x05), good...), want},
		{"unknown bytes", append(good, raw(0x32, 3, "abc")...), want},
		{"unknown fixed64", append(raw(0x39, "12345678"), good...), want},
		{"unknown group", append(raw(0x43, 0x0a, 1, "x", 0x44), good...), want},
		{"tag in two bytes", raw(0x8a, 0, 2, "d1", 0x15, float32(21.5), 0x1d, float32(40), 0x20, 0x96, 0x01), want},
		{"negative epoch", raw(0x20, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Reading{Epoch: -1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got Reading
			if fault := DecodeReading(tc.payload, &got); fault != "" {
				t.Fatal(fault)
			}
			if !sameReading(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestDecodeReading_Refuses(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string][]byte{
		"text":                   []byte("temp=21.5"),
		"json":                   []byte(`{"device":"d1"}`),
		"only a tag":             raw(0x0a),
		"device longer than all": raw(0x0a, 5, "d1"),
		"device of length 2^63":  raw(0x0a, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		"half a float":           raw(0x15, 0, 0),
		"endless varint":         raw(0x20, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		"device as varint":       raw(0x08, 1),
		"temp as fixed64":        raw(0x11, "12345678"),
		"epoch as bytes":         raw(0x22, 1, "x"),
		"rh as group":            raw(0x1b, 0x1c),
		"invalid UTF-8":          raw(0x0a, 2, "\xc3\x28"),
		"invalid UTF-8, then ok": raw(0x0a, 2, "\xc3\x28", 0x0a, 2, "d1"),
		"field number 0":         raw(0x02, 0),
		"end of no group":        raw(0x44),
		"group without end":      raw(0x43, 0x28, 1),
		"wire type 7":            raw(0x2f),
		"trailing zero":          raw(0x0a, 2, "d1", 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r Reading
			if DecodeReading(payload, &r) == "" {
				t.Errorf("accepted as %+v", r)
			}
		})
	}
}

func TestDecodeReading_AllocatesNothing(t *testing.T) {
	p := raw(0x0a, 5, "dev-1", 0x15, float32(21.5), 0x1d, float32(40), 0x20, "\x80\xe2\xcf\xaa\x06")
	var r Reading
	if n := testing.AllocsPerRun(100, func() { DecodeReading(p, &r) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// FuzzDecodeReading holds the decoder to the generated code: the same values, and
// the same refusals but for known fields of another wire type.
func FuzzDecodeReading(f *testing.F) {
	f.Add(raw(0x0a, 5, "dev-1", 0x15, float32(21.5), 0x1d, float32(40), 0x20, "\x80\xe2\xcf\xaa\x06"))
	f.Add(raw(0x8a, 0, 2, "d1", 0x43, 0x28, 1, 0x44))
	f.Add(raw(0x0a, 2, "\xc3\x28", 0x11, "12345678"))
	f.Fuzz(func(t *testing.T, p []byte) {
		var got Reading
		fault := DecodeReading(p, &got)
		var want msg.SensorData
		err := proto.Unmarshal(p, &want)
		switch {
		case fault == "" && err != nil:
			t.Fatalf("accepted %x, the generated code says %v", p, err)
		case fault != "" && err == nil && !knownFieldUnknown(&want):
			t.Fatalf("refused %x (%s), the generated code accepts it", p, fault)
		case fault == "" && !sameReading(got, Reading{[]byte(want.Device), want.Epoch, want.Temp, want.Rh}):
			t.Fatalf("%x: got %+v, want %v", p, got, &want)
		}
	})
}

// knownFieldUnknown tells whether the generated code kept a known field as
// unknown, which it does with one of another wire type.
func knownFieldUnknown(m *msg.SensorData) bool {
	for rest := m.ProtoReflect().GetUnknown(); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return false
		}
		if number <= fieldEpoch {
			return true
		}
		rest = rest[n:]
	}
	return false
}

func sameReading(a, b Reading) bool {
	return bytes.Equal(a.Device, b.Device) && a.Epoch == b.Epoch &&
		math.Float32bits(a.Temp) == math.Float32bits(b.Temp) && math.Float32bits(a.RH) == math.Float32bits(b.RH)
}

// raw returns protobuf bytes written by hand: tags and values as given.
func raw(parts ...any) (p []byte) {
	for _, part := range parts {
		switch v := part.(type) {
		case int:
			p = append(p, byte(v))
		case string:
			p = append(p, v...)
		case float32:
			p = binary.LittleEndian.AppendUint32(p, math.Float32bits(v))
		}
	}
	return p
}
