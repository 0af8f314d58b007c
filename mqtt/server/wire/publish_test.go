package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePublish(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		v    Version
		raw  string
		want Publish
	}{
		{"[MQTT-2.2.1-2] QoS 0 has no identifier", V311, pkt(0x30, str("a"), "\x00\x07x"), Publish{Topic: []byte("a"), Payload: []byte("\x00\x07x")}},
		{
			"QoS 1", V311, pkt(0x3B, str("data/sensor"), "\x12\x34", "hello"),
			Publish{Topic: []byte("data/sensor"), Payload: []byte("hello"), PacketID: 0x1234, QoS: 1, Dup: true, Retain: true},
		},
		{"an empty payload", V5, pkt(0x32, str("é/$"), "\x00\x01", props()), Publish{Topic: []byte("é/$"), Payload: []byte{}, PacketID: 1, QoS: 1}},
		{
			"5, all properties", V5,
			pkt(0x32, str(""), "\x00\x01", props("\x01\x01", "\x02\x00\x00\x00\x05", "\x23\x00\x09", "\x08"+str("r"), "\x09"+str("\xFF"),
				"\x26"+str("k")+str("v"), "\x26"+str("k")+str("v"), "\x03"+str("t")), "p"),
			Publish{
				Payload: []byte("p"), Topic: []byte{}, PacketID: 1, QoS: 1, Alias: 9, HasExpiry: true, Expiry: 5,
				Properties: []byte("\x01\x01\x02\x00\x00\x00\x05\x23\x00\x09\x08" + str("r") + "\x09" + str("\xFF") +
					"\x26" + str("k") + str("v") + "\x26" + str("k") + str("v") + "\x03" + str("t")),
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Publish{Topic: []byte("old"), Alias: 7, HasExpiry: true, Properties: []byte("old")}
			if err := ParsePublish(c.v, mustSplit(t, []byte(c.raw)), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestParsePublish_Refuses(t *testing.T) {
	t.Parallel()
	v5 := func(properties string) string { return pkt(0x30, str("a"), props(properties), "x") }
	refuseAll(t, []badCase{
		{"[MQTT-3.3.1-4] QoS 3", V311, pkt(0x36, str("a"), "\x00\x01"), MalformedPacket},
		{"[MQTT-3.2.2-11] QoS 2", V5, pkt(0x34, str("a"), "\x00\x01", props()), QoSNotSupported},
		{"[MQTT-3.3.1-2] DUP with QoS 0", V311, pkt(0x38, str("a")), MalformedPacket},
		{"[MQTT-2.2.1-3] identifier 0", V311, pkt(0x32, str("a"), "\x00\x00"), ProtocolError},
		{"no identifier", V311, pkt(0x32, str("a"), "\x01"), MalformedPacket},
		{"[MQTT-3.3.2-1] UTF-8", V311, pkt(0x30, str("a\xFF")), MalformedPacket},
		{"[MQTT-3.3.2-1] surrogate, [MQTT-1.5.4-1]", V5, pkt(0x30, str("\xED\xB0\x80"), props()), MalformedPacket},
		{"[MQTT-1.5.4-2] U+0000, [MQTT-4.7.3-2]", V311, pkt(0x30, str("a\x00")), MalformedPacket},
		{"[MQTT-3.3.2-2] +", V311, pkt(0x30, str("a/+/b")), MalformedPacket},
		{"[MQTT-3.3.2-2] #", V5, pkt(0x30, str("a#"), props()), MalformedPacket},
		{"[MQTT-4.7.3-1] 3.1.1 without topic", V311, pkt(0x30, str("")), ProtocolError},
		{"[MQTT-4.7.3-1] 5 without topic and alias", V5, pkt(0x30, str(""), props()), ProtocolError},
		{"cut in the topic", V311, pkt(0x30, "\x00\x02a"), MalformedPacket},
		{"no topic field", V311, pkt(0x30, "\x00"), MalformedPacket},
		{"5 without property length [MQTT-2.2.2-1]", V5, pkt(0x30, str("a")), MalformedPacket},
		{"properties longer than the packet", V5, pkt(0x30, str("a"), "\x05\x01\x01"), MalformedPacket},
		{"[MQTT-3.3.2-8] alias 0", V5, v5("\x23\x00\x00"), TopicAliasInvalid},
		{"[MQTT-3.3.4-6] subscription identifier", V5, v5("\x0B\x01"), ProtocolError},
		{"[MQTT-3.3.2-13] response topic", V5, v5("\x08" + str("\xFF")), MalformedPacket},
		{"[MQTT-3.3.2-14] response topic", V5, v5("\x08" + str("a/#")), MalformedPacket},
		{"[MQTT-4.7.3-1] response topic", V5, v5("\x08" + str("")), ProtocolError},
		{"[MQTT-3.3.2-19] content type", V5, v5("\x03" + str("\xFF")), MalformedPacket},
		{"payload format 2", V5, v5("\x01\x02"), ProtocolError},
		{"expiry twice", V5, v5("\x02\x00\x00\x00\x01\x02\x00\x00\x00\x01"), ProtocolError},
		{"alias twice", V5, v5("\x23\x00\x01\x23\x00\x01"), ProtocolError},
		{"correlation data cut", V5, v5("\x09\x00\x05abc"), MalformedPacket},
		{"property of CONNECT", V5, v5("\x11\x00\x00\x00\x01"), MalformedPacket},
	})
}

// What a subscriber gets: user properties and the rest unaltered and in order
// [MQTT-3.3.2-4, -15 to -18, -20], an expiry of its own [MQTT-3.3.2-6], no alias
// [MQTT-3.1.2-27].
func TestAppendPublish(t *testing.T) {
	t.Parallel()
	all := Publish{
		Topic: []byte("a/b"), Payload: []byte("p"), PacketID: 0x0102, QoS: 1, Dup: true, Retain: true, HasExpiry: true, Expiry: 4,
		Alias: 9, SubscriptionIDs: []uint32{1, 300},
		Properties: []byte("\x26" + str("z") + str("1") + "\x23\x00\x09" + "\x01\x01" + "\x02\x00\x00\x00\x05" + "\x26" + str("a") + str("2")),
	}
	for _, c := range []struct {
		name string
		v    Version
		m    Publish
		want string
	}{
		{"3.1.1 has no properties", V311, all, pkt(0x3B, str("a/b"), "\x01\x02", "p")},
		{
			"5", V5, all,
			pkt(0x3B, str("a/b"), "\x01\x02", props("\x26", str("z"), str("1"), "\x01\x01", "\x26", str("a"), str("2"),
				"\x02\x00\x00\x00\x04", "\x0B\x01", "\x0B\xAC\x02"), "p"),
		},
		{"[MQTT-2.2.2-1] no properties", V5, Publish{Topic: []byte("a")}, pkt(0x30, str("a"), "\x00")},
		{"[MQTT-3.3.1-2] no DUP with QoS 0", V311, Publish{Topic: []byte("a"), Dup: true, PacketID: 5}, pkt(0x30, str("a"))},
		{
			"a length of two bytes", V5,
			Publish{Topic: []byte("a"), Payload: bytes.Repeat([]byte("x"), 200)},
			pkt(0x30, str("a"), "\x00", strings.Repeat("x", 200)),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(AppendPublish([]byte("before"), c.v, &c.m)); got != "before"+c.want {
				t.Errorf("got  % x\nwant % x", got[len("before"):], c.want)
			}
		})
	}
}

// reading is a QoS 1 publish of 60 bytes.
func reading(v Version) []byte {
	properties := ""
	if v == V5 {
		properties = props()
	}
	head := str("data/sensor/greenhouse-7") + "\x12\x34" + properties
	return []byte(pkt(0x32, head, strings.Repeat("x", 58-len(head))))
}

func TestParsePublish_DoesNotAllocate(t *testing.T) {
	for _, v := range []Version{V311, V5} {
		p := mustSplit(t, reading(v))
		var m Publish
		if n := testing.AllocsPerRun(100, func() { _ = ParsePublish(v, p, &m) }); n != 0 {
			t.Errorf("version %d: %v allocations", v, n)
		}
	}
	raw := []byte(pkt(0x32, str("a"), "\x00\x01", props("\x01\x01", "\x26"+str("k")+str("v"), "\x08"+str("r")), "p"))
	var m Publish
	if n := testing.AllocsPerRun(100, func() { _ = ParsePublish(V5, mustSplit(t, raw), &m) }); n != 0 {
		t.Errorf("with properties: %v allocations", n)
	}
	buf := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() { _ = AppendPublish(buf, V5, &m) }); n != 0 {
		t.Errorf("AppendPublish: %v allocations", n)
	}
}

func BenchmarkParsePublish(b *testing.B) {
	for _, bb := range []struct {
		name string
		v    Version
		raw  []byte
	}{
		{"v311", V311, reading(V311)},
		{"v5", V5, reading(V5)},
		{"v5/properties", V5, []byte(pkt(0x32, str("data/sensor/greenhouse-7"), "\x00\x01", props("\x01\x01", "\x26"+str("key")+str("value")), "payload"))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var m Publish
			for b.Loop() {
				p, _, err := Split(bb.raw, MaxPacket)
				if err == nil {
					err = ParsePublish(bb.v, p, &m)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendPublish(b *testing.B) {
	m := Publish{Topic: []byte("pulse"), QoS: 1, PacketID: 7}
	buf := make([]byte, 0, 100)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPublish(buf[:0], V5, &m)
	}
}
