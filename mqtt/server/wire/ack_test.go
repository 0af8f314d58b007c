package wire

import (
	"strings"
	"testing"
)

func TestParsePuback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		v    Version
		raw  string
		want Puback
	}{
		{"3.1.1", V311, pkt(0x40, "\x01\x02"), Puback{0x0102, Success}},
		{"5, success left out", V5, pkt(0x40, "\x01\x02"), Puback{0x0102, Success}},
		{"5, properties left out", V5, pkt(0x40, "\x01\x02\x97"), Puback{0x0102, QuotaExceeded}},
		{"5, whole", V5, pkt(0x40, "\x01\x02\x80", props("\x1F"+str("why"), "\x26"+str("k")+str("v"))), Puback{0x0102, Unspecified}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := parse(t, c.v, c.raw); err != nil || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestParsePuback_Refuses(t *testing.T) {
	t.Parallel()
	refuseAll(t, []badCase{
		{"[MQTT-2.2.1-5] identifier 0", V311, pkt(0x40, "\x00\x00"), ProtocolError},
		{"cut", V5, pkt(0x40, "\x01"), MalformedPacket},
		{"left over in 3.1.1", V311, pkt(0x40, "\x00\x01\x00"), MalformedPacket},
		{"left over in 5", V5, pkt(0x40, "\x00\x01\x00", props(), "x"), MalformedPacket},
		{"[MQTT-3.4.2-1] reason of another packet", V5, pkt(0x40, "\x00\x01\x8E"), ProtocolError},
		{"properties cut", V5, pkt(0x40, "\x00\x01\x00\x05"), MalformedPacket},
		{"reason string twice", V5, pkt(0x40, "\x00\x01\x00", props("\x1F"+str("a")+"\x1F"+str("b"))), ProtocolError},
		{"[MQTT-1.5.4-1] reason string", V5, pkt(0x40, "\x00\x01\x00", props("\x1F"+str("\xFF"))), MalformedPacket},
		{"property of another packet", V5, pkt(0x40, "\x00\x01\x00", props("\x11\x00\x00\x00\x01")), MalformedPacket},
	})
}

func TestParseDisconnect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		v    Version
		raw  string
		want Disconnect
	}{
		{"3.1.1", V311, pkt(0xE0), Disconnect{}},
		{"5, normal left out", V5, pkt(0xE0), Disconnect{}},
		{"5, properties left out", V5, pkt(0xE0, "\x04"), Disconnect{Reason: DisconnectWithWill}},
		{
			"5, whole", V5, pkt(0xE0, "\x81", props("\x11\x00\x00\x00\x09", "\x1F"+str("why"), "\x26"+str("k")+str("v"))),
			Disconnect{Reason: MalformedPacket, HasSessionExpiry: true, SessionExpiry: 9, ReasonString: "why"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := parse(t, c.v, c.raw); err != nil || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseDisconnect_Refuses(t *testing.T) {
	t.Parallel()
	refuseAll(t, []badCase{
		{"left over in 3.1.1", V311, pkt(0xE0, "\x00"), MalformedPacket},
		{"left over in 5", V5, pkt(0xE0, "\x00", props(), "x"), MalformedPacket},
		{"[MQTT-3.14.2-1] reason of a server", V5, pkt(0xE0, "\x8B"), ProtocolError},
		{"server reference", V5, pkt(0xE0, "\x00", props("\x1C"+str("x"))), MalformedPacket},
		{"session expiry twice", V5, pkt(0xE0, "\x00", props("\x11\x00\x00\x00\x09\x11\x00\x00\x00\x09")), ProtocolError},
		{"properties longer than the packet", V5, pkt(0xE0, "\x00\x09"), MalformedPacket},
	})
}

func TestParsePingreq(t *testing.T) {
	t.Parallel()
	for _, v := range []Version{V311, V5} {
		if _, err := parse(t, v, pkt(0xC0)); err != nil {
			t.Errorf("version %d: %v", v, err)
		}
	}
	refuseAll(t, []badCase{{"left over", V5, pkt(0xC0, "x"), MalformedPacket}})
}

func TestAppend_ShortPackets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"PINGRESP [MQTT-3.12.4-1]", AppendPingresp(nil), "\xD0\x00"},
		{"PUBACK 3.1.1", AppendPuback(nil, V311, 0x0102, Success), "\x40\x02\x01\x02"},
		{"PUBACK 3.1.1 tells no reason", AppendPuback(nil, V311, 0x0102, NotAuthorized), "\x40\x02\x01\x02"},
		{"PUBACK 5", AppendPuback(nil, V5, 0x0102, Success), "\x40\x02\x01\x02"},
		{"PUBACK 5 with a reason", AppendPuback(nil, V5, 0x0102, NotAuthorized), "\x40\x03\x01\x02\x87"},
		{"DISCONNECT 3.1.1", AppendDisconnect(nil, V311, Disconnect{Reason: ServerBusy}), ""},
		{"DISCONNECT 5", AppendDisconnect(nil, V5, Disconnect{Reason: ServerBusy}), pkt(0xE0, "\x89", props())},
		{
			"DISCONNECT 5, no session expiry [MQTT-3.14.2-2]",
			AppendDisconnect(nil, V5, Disconnect{Reason: SessionTakenOver, HasSessionExpiry: true, SessionExpiry: 1, ReasonString: "why"}),
			pkt(0xE0, "\x8E", props("\x1F"+str("why"))),
		},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: got % x, want % x", c.name, c.got, c.want)
		}
	}
}

func TestAppendConnack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		v    Version
		c    Connack
		want string
	}{
		{"3.1.1 accepted", V311, Connack{SessionPresent: true, NoQoS2: true, ReasonString: "x"}, pkt(0x20, "\x01\x00")},
		{"3.1.1 refused [MQTT311-3.2.2-4]", V311, Connack{SessionPresent: true, Reason: NotAuthorized}, pkt(0x20, "\x00\x05")},
		{"3.1.1 without a word [MQTT311-3.2.2-6]", V311, Connack{Reason: MalformedPacket}, ""},
		{"5 accepted", V5, Connack{}, pkt(0x20, "\x00\x00", props())},
		{"5 refused [MQTT-3.2.2-6]", V5, Connack{SessionPresent: true, Reason: Banned}, pkt(0x20, "\x00\x8A", props())},
		{
			"5, everything", V5,
			Connack{
				SessionPresent: true, HasSessionExpiry: true, SessionExpiry: 10, ReceiveMaximum: 20, NoQoS2: true,
				MaximumPacketSize: 1 << 16, AssignedClientID: "id", TopicAliasMaximum: 3, HasServerKeepAlive: true,
				ServerKeepAlive: 60, NoRetain: true, NoWildcard: true, NoSubscriptionIDs: true, NoShared: true, ReasonString: "why",
			},
			pkt(0x20, "\x01\x00", props("\x1F"+str("why"), "\x11\x00\x00\x00\x0A", "\x21\x00\x14", "\x24\x01", "\x27\x00\x01\x00\x00",
				"\x12"+str("id"), "\x22\x00\x03", "\x13\x00\x3C", "\x25\x00", "\x28\x00", "\x29\x00", "\x2A\x00")),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(AppendConnack([]byte("before"), c.v, c.c)); got != "before"+c.want {
				t.Errorf("got  % x\nwant % x", got[len("before"):], c.want)
			}
		})
	}
}

// [MQTT-3.2.2-19], [MQTT-3.14.2-3]: the reason string gives way to the client's
// maximum packet size.
func TestAppend_ReasonStringWithinLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit uint32
		text  string
		want  bool
	}{
		{"no limit", 0, "why", true},
		{"just fits", 11, "why", true},
		{"one too many", 10, "why", false},
		{"longest string", 0, strings.Repeat("x", maxString), true},
		{"longer than a string", 0, strings.Repeat("x", maxString+1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ack := AppendConnack(nil, V5, Connack{Reason: ServerBusy, ReasonString: c.text, Limit: c.limit})
			if got := len(ack) > 5; got != c.want {
				t.Errorf("CONNACK of %d bytes, want its reason string: %t", len(ack), c.want)
			}
			limit := c.limit
			if limit > 0 {
				limit-- // it is a byte shorter
			}
			bye := AppendDisconnect([]byte("before"), V5, Disconnect{Reason: ServerBusy, ReasonString: c.text, Limit: limit})
			if got := len(bye)-len("before") > 4; got != c.want {
				t.Errorf("DISCONNECT of %d bytes, want its reason string: %t", len(bye), c.want)
			}
		})
	}
}
