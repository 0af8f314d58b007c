package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSubscribe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		v    Version
		raw  string
		want Subscribe
	}{
		{
			"3.1.1", V311, pkt(0x82, "\x00\x01", str("pulse"), "\x01", str("a/#"), "\x02"),
			Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "pulse", QoS: 1}, {Filter: "a/#", QoS: 2}}},
		},
		{
			"3.1.1 knows no shared subscriptions", V311, pkt(0x82, "\x00\x01", str("$share/"), "\x00"),
			Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "$share/"}}},
		},
		{
			"5", V5, pkt(0x82, "\x12\x34", props("\x0B\xFF\xFF\xFF\x7F", "\x26"+str("k")+str("v")), str("$share/g/+/b"), "\x29", str("c"), "\x14"),
			Subscribe{PacketID: 0x1234, SubscriptionID: maxRemaining, Filters: []Subscription{
				{Filter: "$share/g/+/b", QoS: 1, RetainAsPublished: true, RetainHandling: 2},
				{Filter: "c", NoLocal: true, RetainHandling: 1},
			}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(t, c.v, c.raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestParseSubscribe_Refuses(t *testing.T) {
	t.Parallel()
	v5 := func(filter, options string) string { return pkt(0x82, "\x00\x01", props(), str(filter), options) }
	withProps := func(p string) string { return pkt(0x82, "\x00\x01", props(p), str("a"), "\x00") }
	refuseAll(t, []badCase{
		{"[MQTT-2.2.1-3] identifier 0", V311, pkt(0x82, "\x00\x00", str("a"), "\x00"), ProtocolError},
		{"no identifier", V311, pkt(0x82, "\x01"), MalformedPacket},
		{"[MQTT-3.8.3-2] no filter, 3.1.1", V311, pkt(0x82, "\x00\x01"), ProtocolError},
		{"[MQTT-3.8.3-2] no filter, 5", V5, pkt(0x82, "\x00\x01", props()), ProtocolError},
		{"more filters than allowed", V311, pkt(0x82, "\x00\x01", strings.Repeat(str("a")+"\x00", maxFilters+1)), QuotaExceeded},
		{"5 without property length", V5, pkt(0x82, "\x00\x01"), MalformedPacket},
		{"a filter without options", V5, v5("a", ""), MalformedPacket},
		{"a second filter without options", V311, pkt(0x82, "\x00\x01", str("a"), "\x00", str("b")), MalformedPacket},
		{"cut in the filter", V311, pkt(0x82, "\x00\x01", "\x00\x05ab"), MalformedPacket},
		{"[MQTT-3.8.3-1] UTF-8", V5, v5("\xFF", "\x00"), MalformedPacket},
		{"[MQTT-1.5.4-2] U+0000", V5, v5("a\x00", "\x00"), MalformedPacket},
		{"[MQTT-4.7.3-1] empty filter", V5, v5("", "\x00"), ProtocolError},
		{"[MQTT-4.7.1-1] #", V5, v5("a/#/b", "\x00"), MalformedPacket},
		{"[MQTT-4.7.1-2] +", V311, pkt(0x82, "\x00\x01", str("a+"), "\x00"), MalformedPacket},
		{"[MQTT-3.8.3-5] reserved bit 6", V5, v5("a", "\x40"), MalformedPacket},
		{"[MQTT-3.8.3-5] reserved bit 7", V5, v5("a", "\x80"), MalformedPacket},
		{"[MQTT311-3.8.3-4] no local in 3.1.1", V311, pkt(0x82, "\x00\x01", str("a"), "\x04"), MalformedPacket},
		{"[MQTT311-3.8.3-4] QoS 3 in 3.1.1", V311, pkt(0x82, "\x00\x01", str("a"), "\x03"), MalformedPacket},
		{"QoS 3", V5, v5("a", "\x03"), ProtocolError},
		{"retain handling 3", V5, v5("a", "\x30"), ProtocolError},
		{"[MQTT-3.8.3-4] no local on a shared subscription", V5, v5("$share/g/a", "\x05"), ProtocolError},
		{"[MQTT-4.8.2-1] empty share name", V5, v5("$share//a", "\x00"), MalformedPacket},
		{"[MQTT-4.8.2-2] share name alone", V5, v5("$share/g", "\x00"), MalformedPacket},
		{"subscription identifier 0", V5, withProps("\x0B\x00"), ProtocolError},
		{"subscription identifier twice", V5, withProps("\x0B\x01\x0B\x02"), ProtocolError},
		{"subscription identifier of five bytes", V5, withProps("\x0B\x80\x80\x80\x80\x01"), MalformedPacket},
		{"[MQTT-1.5.5-1] subscription identifier", V5, withProps("\x0B\x81\x00"), MalformedPacket},
		{"property of PUBLISH", V5, withProps("\x01\x01"), MalformedPacket},
	})
}

func TestParseUnsubscribe(t *testing.T) {
	t.Parallel()
	want := Unsubscribe{PacketID: 7, Filters: []string{"a/+", "b"}}
	for v, raw := range map[Version]string{
		V311: pkt(0xA2, "\x00\x07", str("a/+"), str("b")),
		V5:   pkt(0xA2, "\x00\x07", props("\x26"+str("k")+str("v")), str("a/+"), str("b")),
	} {
		got, err := parse(t, v, raw)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("version %d: %v, -want +got\n%s", v, err, diff)
		}
	}
}

func TestParseUnsubscribe_Refuses(t *testing.T) {
	t.Parallel()
	refuseAll(t, []badCase{
		{"[MQTT-2.2.1-3] identifier 0", V311, pkt(0xA2, "\x00\x00", str("a")), ProtocolError},
		{"[MQTT-3.10.3-2] no filter, 3.1.1", V311, pkt(0xA2, "\x00\x01"), ProtocolError},
		{"[MQTT-3.10.3-2] no filter, 5", V5, pkt(0xA2, "\x00\x01", props()), ProtocolError},
		{"more filters than allowed", V5, pkt(0xA2, "\x00\x01", props(), strings.Repeat(str("a"), maxFilters+1)), QuotaExceeded},
		{"[MQTT-3.10.3-1] UTF-8", V311, pkt(0xA2, "\x00\x01", str("\xFF")), MalformedPacket},
		{"[MQTT-1.5.4-2] U+0000", V311, pkt(0xA2, "\x00\x01", str("\x00")), MalformedPacket},
		{"[MQTT-4.7.3-1] empty filter", V5, pkt(0xA2, "\x00\x01", props(), str("")), ProtocolError},
		{"[MQTT-4.7.1-1] #", V5, pkt(0xA2, "\x00\x01", props(), str("a#")), MalformedPacket},
		{"cut", V5, pkt(0xA2, "\x00\x01", props(), "\x00"), MalformedPacket},
		{"subscription identifier", V5, pkt(0xA2, "\x00\x01", props("\x0B\x01"), str("a")), MalformedPacket},
	})
}

// [MQTT-3.8.4-6], [MQTT-3.9.3-1], [MQTT-3.11.3-1]: a reason each, in order.
func TestAppendSubackUnsuback(t *testing.T) {
	t.Parallel()
	reasons := []Reason{Success, GrantedQoS1, NotAuthorized, QuotaExceeded}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"SUBACK 3.1.1", AppendSuback(nil, V311, 0x0102, reasons...), pkt(0x90, "\x01\x02", "\x00\x01\x80\x80")},
		{"SUBACK 5", AppendSuback(nil, V5, 0x0102, reasons...), pkt(0x90, "\x01\x02", props(), "\x00\x01\x87\x97")},
		{"UNSUBACK 3.1.1", AppendUnsuback(nil, V311, 0x0102, Success, NoSubscriptionExisted), pkt(0xB0, "\x01\x02")},
		{"UNSUBACK 5", AppendUnsuback(nil, V5, 0x0102, Success, NoSubscriptionExisted), pkt(0xB0, "\x01\x02", props(), "\x00\x11")},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: got % x, want % x", c.name, c.got, c.want)
		}
	}
}
