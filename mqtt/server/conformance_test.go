package server

import (
	"bytes"
	"fmt"
	"testing"

	"sluice/mqtt/server/wire"
)

// Tests named TestConformance_* show statements of the standards, which docs/mqtt.md
// lists: MQTT-x of MQTT 5.0, MQTT311-x of MQTT 3.1.1. A case's name begins with its
// statement.

// breach is what a client sends that ends its connection.
type breach struct {
	name string
	sent []byte
	want wire.Reason // of DISCONNECT, in v5
}

// joined lays the parts of a packet end to end.
func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// field is a string as packets have it.
func field(s string) []byte { return str(nil, s) }

// breachesOf5 are those of what a connected v5 client sends.
func breachesOf5() []breach {
	publish := func(properties ...byte) []byte {
		return packet(0x30, joined(field("data/a"), varint(nil, len(properties)), properties))
	}
	subscribe := func(filter string, options byte) []byte {
		return packet(0x82, joined([]byte{0, 9, 0}, field(filter), []byte{options}))
	}
	return []breach{
		{"MQTT-1.5.4-1 a topic that is not UTF-8", packet(0x30, joined(field("a\xff"), []byte{0})), wire.MalformedPacket},
		{"MQTT-1.5.4-2 a topic with U+0000", packet(0x30, joined(field("a\x00"), []byte{0})), wire.MalformedPacket},
		{"MQTT-1.5.5-1 a length of more bytes than needed", []byte{0xC0, 0x80, 0}, wire.MalformedPacket},
		{"MQTT-1.5.7-1 a user property that is not UTF-8", publish(joined([]byte{0x26}, field("\xff"), field("v"))...), wire.MalformedPacket},
		{"MQTT-2.1.3-1 PINGREQ with a flag", []byte{0xC1, 0}, wire.MalformedPacket},
		{"MQTT-2.2.1-3 SUBSCRIBE with packet identifier 0", packet(0x82, joined([]byte{0, 0, 0}, field("a"), []byte{0})), wire.ProtocolError},
		{"MQTT-2.2.2-1 PUBLISH without a property length", packet(0x30, field("a")), wire.MalformedPacket},
		{"MQTT-3.1.0-2 a second CONNECT", hello{id: "a"}.packet(), wire.ProtocolError},
		{"MQTT-3.2.2-11 QoS 2", packet(0x34, joined(field("data/a"), []byte{0, 9, 0})), wire.QoSNotSupported},
		{"MQTT-3.2.2-14 RETAIN", packet(0x31, joined(field("data/a"), []byte{0})), wire.RetainNotSupported},
		{"MQTT-3.2.2-15 a packet above the maximum", []byte{0x32, 0xff, 0xff, 0x7f}, wire.PacketTooLarge},
		{"MQTT-3.2.2-17 a topic alias", publish(0x23, 0, 1), wire.TopicAliasInvalid},
		{"MQTT-3.3.1-2 DUP with QoS 0", packet(0x38, joined(field("a"), []byte{0})), wire.MalformedPacket},
		{"MQTT-3.3.1-4 QoS 3", packet(0x36, joined(field("a"), []byte{0, 9, 0})), wire.MalformedPacket},
		{"MQTT-3.3.2-1 PUBLISH that ends within its topic", packet(0x30, []byte{0, 9, 'a'}), wire.MalformedPacket},
		{"MQTT-3.3.2-2 a topic with a wildcard", packet(0x30, joined(field("a/+"), []byte{0})), wire.MalformedPacket},
		{"MQTT-3.3.2-8 topic alias 0", publish(0x23, 0, 0), wire.TopicAliasInvalid},
		{"MQTT-3.3.2-13 a response topic that is not UTF-8", publish(joined([]byte{8}, field("\xff"))...), wire.MalformedPacket},
		{"MQTT-3.3.2-14 a response topic with a wildcard", publish(joined([]byte{8}, field("#"))...), wire.MalformedPacket},
		{"MQTT-3.3.2-19 a content type that is not UTF-8", publish(joined([]byte{3}, field("\xff"))...), wire.MalformedPacket},
		{"MQTT-3.3.4-6 PUBLISH with a subscription identifier", publish(0x0B, 1), wire.ProtocolError},
		{"MQTT-3.4.2-1 PUBACK with a reason of another packet", packet(0x40, []byte{0, 1, 0x8E}), wire.ProtocolError},
		{"MQTT-3.6.1-1 PUBREL with other flags", packet(0x60, []byte{0, 1}), wire.MalformedPacket},
		{"MQTT-3.8.1-1 SUBSCRIBE with other flags", packet(0x80, joined([]byte{0, 9, 0}, field("a"), []byte{0})), wire.MalformedPacket},
		{"MQTT-3.8.3-1 a filter that is not UTF-8", subscribe("\xff", 0), wire.MalformedPacket},
		{"MQTT-3.8.3-2 SUBSCRIBE without a filter", packet(0x82, []byte{0, 9, 0}), wire.ProtocolError},
		{"MQTT-3.8.3-4 no local on a shared subscription", subscribe("$share/g/a", 4), wire.ProtocolError},
		{"MQTT-3.8.3-5 reserved bits in the options", subscribe("a", 0x40), wire.MalformedPacket},
		{"MQTT-3.10.1-1 UNSUBSCRIBE with other flags", packet(0xA0, joined([]byte{0, 9, 0}, field("a"))), wire.MalformedPacket},
		{"MQTT-3.10.3-1 a filter to end that is not UTF-8", packet(0xA2, joined([]byte{0, 9, 0}, field("\xff"))), wire.MalformedPacket},
		{"MQTT-3.10.3-2 UNSUBSCRIBE without a filter", packet(0xA2, []byte{0, 9, 0}), wire.ProtocolError},
		{"MQTT-3.14.1-1 DISCONNECT with a flag", []byte{0xE1, 0}, wire.MalformedPacket},
		{"MQTT-3.14.2-1 DISCONNECT with a reason of servers", packet(0xE0, []byte{0x8B}), wire.ProtocolError},
		{"MQTT-3.15.1-1 AUTH with a flag", []byte{0xF1, 0}, wire.MalformedPacket},
		{"MQTT-4.7.1-1 # that is not the last level", subscribe("#/a", 0), wire.MalformedPacket},
		{"MQTT-4.7.1-2 + that is not a whole level", subscribe("a+", 0), wire.MalformedPacket},
		{"MQTT-4.7.3-1 an empty topic", packet(0x30, joined(field(""), []byte{0})), wire.ProtocolError},
		{"MQTT-4.7.3-2 a filter with U+0000", subscribe("a\x00", 0), wire.MalformedPacket},
		{"MQTT-4.8.2-1 no share name", subscribe("$share//a", 0), wire.MalformedPacket},
		{"MQTT-4.8.2-2 a share name with a wildcard", subscribe("$share/+/a", 0), wire.MalformedPacket},
		{"MQTT-4.12.0-7 AUTH without an authentication method", []byte{0xF0, 0}, wire.ProtocolError},
		{"MQTT-4.13.1-1 a packet type that is none", []byte{0, 0}, wire.MalformedPacket},
		{"no statement: more filters than a packet may have", manyFilters(), wire.QuotaExceeded},
	}
}

// manyFilters is a SUBSCRIBE that is small and would take much memory.
func manyFilters() []byte {
	return packet(0x82, joined([]byte{0, 9, 0}, bytes.Repeat(joined(field("a"), []byte{0}), 1025)))
}

// breachesOf311 are those of what a connected 3.1.1 client sends.
func breachesOf311() []breach {
	subscribe := func(filter string, qos byte) []byte {
		return packet(0x82, joined([]byte{0, 9}, field(filter), []byte{qos}))
	}
	cases := []breach{
		{name: "MQTT311-1.5.3-1 a topic that is not UTF-8", sent: packet(0x30, field("a\xff"))},
		{name: "MQTT311-1.5.3-2 a topic with U+0000", sent: packet(0x30, field("a\x00"))},
		{name: "MQTT311-2.2.2-1, MQTT311-2.2.2-2 PINGREQ with a flag", sent: []byte{0xC1, 0}},
		{name: "MQTT311-2.3.1-1 PUBLISH with packet identifier 0", sent: packet(0x32, joined(field("a"), []byte{0, 0}))},
		{name: "MQTT311-3.1.0-2 a second CONNECT", sent: hello{version: wire.V311, id: "a", clean: true}.packet()},
		{name: "MQTT311-3.3.1-2 DUP with QoS 0", sent: packet(0x38, field("a"))},
		{name: "MQTT311-3.3.1-4 QoS 3", sent: packet(0x36, joined(field("a"), []byte{0, 9}))},
		{name: "MQTT311-3.3.2-1 PUBLISH that ends within its topic", sent: packet(0x30, []byte{0, 9, 'a'})},
		{name: "MQTT311-3.3.2-2 a topic with a wildcard", sent: packet(0x30, field("a/+"))},
		{name: "MQTT311-3.6.1-1 PUBREL with other flags", sent: packet(0x60, []byte{0, 1})},
		{name: "MQTT311-3.8.1-1 SUBSCRIBE with other flags", sent: packet(0x80, joined([]byte{0, 9}, field("a"), []byte{0}))},
		{name: "MQTT311-3.8.3-1 a filter that is not UTF-8", sent: subscribe("\xff", 0)},
		{name: "MQTT311-3.8.3-3 SUBSCRIBE without a filter", sent: packet(0x82, []byte{0, 9})},
		{name: "MQTT311-3.8.3-4 a requested QoS of 3", sent: subscribe("a", 3)},
		{name: "MQTT311-3.10.1-1 UNSUBSCRIBE with other flags", sent: packet(0xA0, joined([]byte{0, 9}, field("a")))},
		{name: "MQTT311-3.10.3-1 a filter to end that is not UTF-8", sent: packet(0xA2, joined([]byte{0, 9}, field("\xff")))},
		{name: "MQTT311-3.10.3-2 UNSUBSCRIBE without a filter", sent: packet(0xA2, []byte{0, 9})},
		{name: "MQTT311-3.14.1-1 DISCONNECT with a flag", sent: []byte{0xE1, 0}},
		{name: "MQTT311-4.3.3-2 QoS 2", sent: packet(0x34, joined(field("data/a"), []byte{0, 9}))},
		{name: "MQTT311-4.7.1-1 a topic with a wildcard", sent: packet(0x30, field("#"))},
		{name: "MQTT311-4.7.1-2 # that is not the last level", sent: subscribe("#/a", 0)},
		{name: "MQTT311-4.7.1-3 + that is not a whole level", sent: subscribe("a+", 0)},
		{name: "MQTT311-4.7.3-1 an empty topic", sent: packet(0x30, field(""))},
		{name: "MQTT311-4.7.3-2 a filter with U+0000", sent: subscribe("a\x00", 0)},
		{name: "MQTT311-4.8.0-1 a packet that only servers send", sent: []byte{0xD0, 0}},
	}
	for i := range cases {
		cases[i].want = 0xFF // a 3.1.1 client is told nothing
	}
	return cases
}

// Each breach ends its connection, with the reason where there is a way to tell it
// [MQTT-4.13.2-1], [MQTT-3.14.4-2], and no other.
func TestConformance_Breaches(t *testing.T) {
	t.Parallel()
	for version, cases := range map[wire.Version][]breach{wire.V5: breachesOf5(), wire.V311: breachesOf311()} {
		s := newSite(t)
		stays := s.connect(hello{id: "stays"})
		for i, b := range cases {
			t.Run(b.name, func(t *testing.T) {
				c := s.connect(hello{version: version, id: fmt.Sprint(i), clean: true})
				c.TB = t
				c.write(b.sent)
				if got := c.ends(); got != b.want {
					t.Errorf("DISCONNECT %v, want %v", got, b.want)
				}
			})
		}
		stays.ping()
	}
}
