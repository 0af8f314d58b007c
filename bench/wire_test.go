package bench

import (
	"bytes"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/google/go-cmp/cmp"
)

func TestPublishTemplate_IsAPublish(t *testing.T) {
	packet, idAt := publishTemplate(MQTT5, "data/sensor", bytes.Repeat([]byte{7}, 300))
	packet[idAt], packet[idAt+1] = 0x12, 0x34
	parsed, err := packets.ReadPacket(bytes.NewReader(packet))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := parsed.Content.(*packets.Publish)
	if !ok || p.QoS != 1 || p.Topic != "data/sensor" || p.PacketID != 0x1234 || len(p.Payload) != 300 {
		t.Errorf("got %v", parsed)
	}
	old, _ := publishTemplate(MQTT311, "t", []byte{9})
	if want := []byte{0x32, 6, 0, 1, 't', 0, 0, 9}; !bytes.Equal(old, want) {
		t.Errorf("MQTT 3.1.1: got % x, want % x", old, want)
	}
}

func TestPacket311(t *testing.T) {
	got := connect{protocol: MQTT311, clientID: "c", user: "u", password: "pw"}.packet311()
	want := []byte("\x10\x14\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01c\x00\x01u\x00\x02pw")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CONNECT (-want +got):\n%s", diff)
	}
}

func TestParseAcks(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []ack
		rest string
		fail bool
	}{
		"nothing":            {},
		"two":                {in: "\x40\x02\x00\x01\x40\x02\x01\x00", want: []ack{{1, 0}, {256, 0}}},
		"code":               {in: "\x40\x03\x00\x01\x10", want: []ack{{1, 0x10}}},
		"code and reason":    {in: "\x40\x08\x00\x01\x97\x04\x1f\x00\x01x", want: []ack{{1, 0x97}}},
		"cut":                {in: "\x40\x02\x00\x01\x40\x02\x01", want: []ack{{1, 0}}, rest: "\x40\x02\x01"},
		"cut in length":      {in: "\x40\x80", rest: "\x40\x80"},
		"ping":               {in: "\xd0\x00\x40\x02\x00\x05", want: []ack{{5, 0}}},
		"disconnect":         {in: "\xe0\x01\x8e", fail: true},
		"short PUBACK":       {in: "\x40\x01\x00", fail: true},
		"long PUBACK":        {in: "\x40\xff\x7f", fail: true},
		"length without end": {in: "\x40\xff\xff\xff\xff\xff", fail: true},
		"PUBLISH":            {in: "\x30\x03\x00\x01t", fail: true},
	} {
		got, rest, err := parseAcks([]byte(tc.in), nil)
		if (err != nil) != tc.fail {
			t.Errorf("%s: got error %v", name, err)
		}
		if tc.fail {
			continue
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(ack{})); diff != "" || string(rest) != tc.rest {
			t.Errorf("%s: rest %q, want %q; acks (-want +got):\n%s", name, rest, tc.rest, diff)
		}
	}
}

func FuzzParseAcks(f *testing.F) {
	f.Add([]byte("\x40\x02\x00\x01\x40\x03\x00\x02\x10\xd0\x00"), 3)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		whole, rest, err := parseAcks(b, nil)
		if err != nil || cut < 0 || cut > len(b) {
			return
		}
		// The same in two reads gives the same.
		first, left, err := parseAcks(b[:cut], nil)
		if err != nil {
			t.Fatalf("an error in a part only: %v", err)
		}
		both, last, err := parseAcks(append(bytes.Clone(left), b[cut:]...), first)
		if err != nil || !bytes.Equal(last, rest) {
			t.Fatalf("rest % x and error %v, want % x", last, err, rest)
		}
		if diff := cmp.Diff(whole, both, cmp.AllowUnexported(ack{})); diff != "" {
			t.Fatalf("acks in one read and in two:\n%s", diff)
		}
	})
}
