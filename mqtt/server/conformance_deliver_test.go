package server

import (
	"bytes"
	"fmt"
	"testing"

	"sluice/mqtt/server/wire"
)

// carried are properties of a PUBLISH, and what a subscriber gets of them.
type carried struct {
	name       string
	sent, want []byte
}

func carriedProperties() []carried {
	user := joined([]byte{0x26}, field("k"), field("2"), []byte{0x26}, field("k"), field("1"), []byte{0x26}, field("a"), field(""))
	same := func(name string, properties ...byte) carried { return carried{name, properties, properties} }
	return []carried{
		same("MQTT-3.3.2-4 payload format indicator", 0x01, 1),
		same("MQTT-3.3.2-6 message expiry interval, nothing waited", 0x02, 0, 0, 0, 100),
		same("MQTT-3.3.2-15 response topic", joined([]byte{0x08}, field("answers/a"))...),
		same("MQTT-3.3.2-16 correlation data", joined([]byte{0x09}, field("\x00\xff"))...),
		same("MQTT-3.3.2-17 user properties", user...),
		same("MQTT-3.3.2-18 their order", user...),
		same("MQTT-3.3.2-20 content type", joined([]byte{0x03}, field("text"))...),
		{"MQTT-3.1.2-27 none is added", nil, nil},
	}
}

// What goes on to a subscriber is what was published, in a packet of its own: without
// DUP [MQTT-3.3.1-3] and topic alias [MQTT-3.1.2-26], [MQTT-3.3.2-11].
func TestConformance_Forwarded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hears := s.connect(hello{id: "hears", properties: []byte{0x22, 0, 10}})
	hears.subscribe("pulse", 1)
	p := s.connect(hello{id: "p"})
	for i, c := range carriedProperties() {
		t.Run(c.name, func(t *testing.T) {
			id := []byte{0, byte(i + 1)}
			p.write(packet(0x3A, joined(field("pulse"), id, varint(nil, len(c.sent)), c.sent, []byte("x"))))
			p.acks(wire.Success, uint16(i+1))
			first, body := hears.packet()
			want := joined(field("pulse"), id, varint(nil, len(c.want)), c.want, []byte("x"))
			if first != 0x32 || !bytes.Equal(body, want) {
				t.Errorf("got  %x %x\nwant 32 %x", first, body, want)
			}
		})
	}
}

// A will that is published is not retained [MQTT-3.1.2-14].
func TestConformance_Will(t *testing.T) {
	t.Parallel()
	user := joined([]byte{0x26}, field("k"), field("2"), []byte{0x26}, field("k"), field("1"))
	will := func(properties ...byte) *testWill {
		return &testWill{topic: "status/a", payload: []byte("gone"), qos: 1, properties: properties}
	}
	for _, c := range []struct {
		name    string
		version wire.Version
		will    *testWill
		sent    []byte // before the connection is closed
		want    bool
	}{
		{"MQTT-3.1.2-8 after the connection was lost", wire.V5, will(), nil, true},
		{"MQTT-3.1.3-10 user properties in order", wire.V5, will(user...), nil, true},
		{"MQTT-3.1.2-10 not after DISCONNECT", wire.V5, will(), []byte{0xE0, 0}, false},
		{"MQTT-3.1.2-10 after DISCONNECT with an error", wire.V5, will(), []byte{0xE0, 1, 0x80}, true},
		{"MQTT-3.14.4-3 not after DISCONNECT that says 0", wire.V5, will(), []byte{0xE0, 2, 0, 0}, false},
		{"MQTT311-3.1.2-8, MQTT311-3.1.2-16 after the connection was lost", wire.V311, will(), nil, true},
		{"MQTT311-3.1.2-10, MQTT311-3.14.4-3 not after DISCONNECT", wire.V311, will(), []byte{0xE0, 0}, false},
		{"MQTT311-3.1.2-12 none was asked for", wire.V311, nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			hears := s.connect(hello{id: "hears"})
			hears.subscribe("status/+", 0)
			conn := s.connect(hello{version: c.version, id: "a", clean: true, will: c.will})
			conn.write(c.sent)
			conn.Close()
			s.counts("ended", func(st Stats) bool { return st.Connections == 1 })
			if !c.want {
				hears.ping() // and nothing came before
				return
			}
			first, body := hears.packet()
			want := joined(field("status/a"), varint(nil, len(c.will.properties)), c.will.properties, []byte("gone"))
			if first != 0x30 || !bytes.Equal(body, want) {
				t.Errorf("got  %x %x\nwant 30 %x", first, body, want)
			}
		})
	}
}

// [MQTT-3.1.3-9]: who is back before the delay is over is not gone.
func TestConformance_DelayedWillOfWhoIsBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hears := s.connect(hello{id: "hears"})
	hears.subscribe("status/a", 1)
	h := lasting(wire.V5, "a")
	h.will = &testWill{topic: "status/a", payload: []byte("gone"), properties: willDelay(3)}
	s.connect(h).Close()
	s.counts("lost", func(st Stats) bool { return st.Lost == 1 })
	s.connect(lasting(wire.V5, "a"))
	s.counts("the delay is over", func(st Stats) bool { return st.Connections == 2 })
	hears.ping() // and nothing came before
	if n := s.server.Stats().Wills; n != 0 {
		t.Errorf("%d wills, want none", n)
	}
}

// [MQTT-3.8.4-8], [MQTT311-3.8.4-6]: the lower of the QoS of the message and that of the
// subscription.
func TestConformance_QoSOfDeliveries(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t)
		hears, p := s.connect(hello{version: v, id: "hears", clean: true}), s.connect(hello{id: "p"})
		for _, c := range []struct{ sent, asked, granted, want byte }{
			{0, 0, 0, 0}, {0, 1, 1, 0}, {0, 2, 1, 0}, {1, 0, 0, 0}, {1, 1, 1, 1}, {1, 2, 1, 1},
		} {
			// The new subscription stands for the old [MQTT-3.8.4-3], [MQTT311-3.8.4-3].
			if got := hears.subscribe("pulse", c.asked); byte(got) != c.granted { // [MQTT-3.2.2-10]
				t.Errorf("%+v: granted %v", c, got)
			}
			if c.sent == 0 {
				p.publish0("pulse", "1")
			} else {
				p.write(p.message("pulse", "1", 7, 8)) // with DUP
				p.acks(wire.Success, 7)
			}
			first, _ := hears.packet()
			// No RETAIN [MQTT-3.3.1-12], [MQTT311-3.3.1-9], and no DUP [MQTT-4.3.1-1],
			// [MQTT-4.3.2-2], [MQTT311-3.3.1-3], [MQTT311-4.3.1-1].
			if first != 0x30|c.want<<1 {
				t.Errorf("%+v: packet %x", c, first)
			}
			hears.ping() // and no second copy
		}
	})
}

// [MQTT-3.8.3-3] concerns the subscription that asks for it, and no other of its client.
func TestConformance_NoLocal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a"})
	c.subscribe("own/+", 0x04|1)
	c.acks(wire.Success, c.publish("own/a", "1")) // and nothing came before
	c.subscribe("own/a", 0)
	id := c.publish("own/a", "2")
	if got := c.receives("own/a", "2"); got != 0 {
		t.Errorf("packet identifier %d, want QoS 0: the other filter does not count", got)
	}
	c.acks(wire.Success, id)
}

// answered is a packet and its answer, byte for byte.
type answered struct {
	name       string
	sent, want []byte
}

// answersIn5 have the packet identifier [MQTT-2.2.1-6], [MQTT-3.8.4-2], and reason codes
// of their lists in the order of the filters [MQTT-3.9.3-1], [MQTT-3.11.3-1],
// [MQTT-3.11.3-2].
func answersIn5() []answered {
	three := joined([]byte{0, 9, 0}, field("a"), []byte{0}, field("data/x"), []byte{0}, field("b/#"), []byte{2})
	return []answered{
		{"MQTT-3.8.4-1 SUBSCRIBE of one", packet(0x82, joined([]byte{0x12, 0x34, 0}, field("a"), []byte{0})), packet(0x90, []byte{0x12, 0x34, 0, 0})},
		{"MQTT-3.8.4-6 SUBSCRIBE of three", packet(0x82, three), packet(0x90, []byte{0, 9, 0, 0, 0x83, 1})},
		{
			"MQTT-3.10.4-6 UNSUBSCRIBE of three", packet(0xA2, joined([]byte{0, 8, 0}, field("none"), field("a"), field("b/+"))),
			packet(0xB0, []byte{0, 8, 0, 0x11, 0, 0x11}),
		},
		{"MQTT-3.10.4-4, MQTT-3.10.4-5 UNSUBSCRIBE of nothing", packet(0xA2, joined([]byte{0, 7, 0}, field("a"))), packet(0xB0, []byte{0, 7, 0, 0x11})},
		{"MQTT-3.12.4-1 PINGREQ", []byte{0xC0, 0}, []byte{0xD0, 0}},
		{"MQTT-4.3.2-4 PUBLISH of QoS 1", packet(0x32, joined(field("data/a"), []byte{1, 2, 0})), []byte{0x40, 2, 1, 2}},
	}
}

// answersIn311 have the packet identifier [MQTT311-2.3.1-7], [MQTT311-3.8.4-2],
// [MQTT311-3.10.4-4], and return codes in the order of the filters [MQTT311-3.9.3-1].
func answersIn311() []answered {
	three := joined([]byte{0, 9}, field("a"), []byte{0}, field("data/x"), []byte{0}, field("b/#"), []byte{2})
	return []answered{
		{"MQTT311-3.8.4-1 SUBSCRIBE of one", packet(0x82, joined([]byte{0x12, 0x34}, field("a"), []byte{0})), packet(0x90, []byte{0x12, 0x34, 0})},
		{"MQTT311-3.8.4-5 SUBSCRIBE of three", packet(0x82, three), packet(0x90, []byte{0, 9, 0, 0x80, 1})},
		{
			"MQTT311-3.10.4-6 UNSUBSCRIBE of three", packet(0xA2, joined([]byte{0, 8}, field("none"), field("a"), field("b/+"))),
			packet(0xB0, []byte{0, 8}),
		},
		{"MQTT311-3.10.4-5 UNSUBSCRIBE of nothing", packet(0xA2, joined([]byte{0, 7}, field("a"))), packet(0xB0, []byte{0, 7})},
		{"MQTT311-3.12.4-1 PINGREQ", []byte{0xC0, 0}, []byte{0xD0, 0}},
		{"MQTT311-4.3.2-2 PUBLISH of QoS 1", packet(0x32, joined(field("data/a"), []byte{1, 2})), []byte{0x40, 2, 1, 2}},
	}
}

// The client forbids reason strings; there are none anyway [MQTT-3.1.2-29].
func TestConformance_Answers(t *testing.T) {
	t.Parallel()
	for version, cases := range map[wire.Version][]answered{wire.V5: answersIn5(), wire.V311: answersIn311()} {
		s := newSite(t)
		c := s.connect(hello{version: version, id: "a", clean: true, properties: []byte{0x17, 0}})
		for _, a := range cases {
			t.Run(a.name, func(t *testing.T) {
				c.write(a.sent)
				first, body := c.packet()
				if got := packet(first, body); !bytes.Equal(got, a.want) {
					t.Errorf("got  %x\nwant %x", got, a.want)
				}
			})
		}
		c.disconnect() // and nothing behind [MQTT-3.14.4-1], [MQTT-3.14.4-2]
	}
}

// [MQTT-3.1.2-24]: a SUBACK that is too large for the client cannot be left out.
func TestConformance_SubackTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a", properties: maxPacket(60)})
	c.write(packet(0x82, joined([]byte{0, 9, 0}, bytes.Repeat(joined(field("a"), []byte{0}), 56))))
	if got := c.ends(); got != wire.PacketTooLarge {
		t.Errorf("DISCONNECT %v, want 0x95", got)
	}
}

// [MQTT-4.4.0-2]: a PUBACK that tells a failure is the end of that message, too, and
// makes room for the next [MQTT-4.9.0-2].
func TestConformance_PubackWithAFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a", properties: receives(1)})
	c.subscribe("pulse", 1)
	p := s.connect(hello{id: "p"})
	p.acks(wire.Success, ids(p.publish("pulse", "1", "2"), 2)...)
	id := c.receives("pulse", "1")
	c.write([]byte{0x40, 3, byte(id >> 8), byte(id), 0x97})
	c.receives("pulse", "2")
	c.ping() // and the first does not come again
}

// What is on its way when its filter ends is still delivered [MQTT-3.10.4-3],
// [MQTT311-3.10.4-3], and nothing else [MQTT-3.10.4-2], [MQTT311-3.10.4-2].
func TestConformance_UnsubscribeCompletesWhatHasBegun(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t, func(c *Config) { c.MaxQueued = 1 }) // and so in flight
		c := s.connect(hello{version: v, id: "a", clean: true})
		c.subscribe("pulse", 1)
		p := s.connect(hello{id: "p"})
		p.acks(wire.Success, ids(p.publish("pulse", "1", "2"), 2)...)
		id := c.receives("pulse", "1")
		head := []byte{0, 9, 0}
		if v == wire.V311 {
			head = head[:2]
		}
		c.write(packet(0xA2, joined(head, field("pulse"))))
		c.packet() // UNSUBACK
		p.acks(wire.Success, p.publish("pulse", "3"))
		c.write([]byte{0x40, 2, byte(id >> 8), byte(id)})
		c.receives("pulse", "2")
		c.ping() // and nothing more
	})
}

// An UNSUBSCRIBE that the registry does not take is not said to have succeeded: the
// session will have the filter again [MQTT-3.11.3-2].
func TestConformance_UnsubscribeWhileTheRegistryIsDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(lasting(wire.V5, "a"))
	c.subscribe("pulse", 1)
	s.queue.Fail("SubscribeClient", 1, errDown, 1)
	c.write(packet(0xA2, joined([]byte{0, 9, 0}, field("pulse"))))
	if first, body := c.packet(); first != 0xB0 || wire.Reason(body[3]) != wire.ImplementationSpecific {
		t.Errorf("packet %x %x, want UNSUBACK with 0x83", first, body)
	}
}

// [MQTT-4.6.0-5], [MQTT-4.6.0-6], [MQTT311-4.6.0-5], [MQTT311-4.6.0-6]: what one client
// publishes comes to others in that order.
func TestConformance_OrderOfDeliveries(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t)
		c, p := s.connect(hello{version: v, id: "a", clean: true}), s.connect(hello{id: "p"})
		c.subscribe("+", 0)
		var all []string
		for i := range 50 {
			all = append(all, fmt.Sprint(i))
		}
		p.publish("pulse", all...)
		for _, want := range all {
			c.receives("pulse", want)
		}
	})
}
