package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/mqtt/server/wire"
)

// silence stands for a CONNECT that is answered by the end of the connection alone.
const silence = wire.Reason(0xFF)

// knock is a CONNECT from its parts; payload follows the keepalive of 60 s.
func knock(level, flags byte, payload ...[]byte) []byte {
	return packet(0x10, joined(field("MQTT"), []byte{level, flags, 0, 60}, joined(payload...)))
}

// refusedOf5 are what does not let a v5 client in.
func refusedOf5() []breach {
	none, id := []byte{0}, field("a")
	long := field(strings.Repeat("x", 257))
	return []breach{
		{"MQTT-3.1.0-1 another packet first", []byte{0xC0, 0}, silence},
		{"MQTT-3.1.2-1 another protocol", packet(0x10, joined(field("MQTX"), []byte{5, 2, 0, 60, 0}, id)), silence},
		{"MQTT-3.1.2-2 a version to come", knock(6, 2, none, id), wire.UnsupportedVersion},
		{"MQTT-3.1.2-3 the reserved flag", knock(5, 3, none, id), wire.MalformedPacket},
		{"MQTT-3.1.2-9 a will that is not there", knock(5, 6, none, id), wire.MalformedPacket},
		{"MQTT-3.1.2-11 QoS of no will", knock(5, 0x0A, none, id), wire.MalformedPacket},
		{"MQTT-3.1.2-12 a will of QoS 3", knock(5, 0x1E, none, id, none, field("w"), field("")), wire.MalformedPacket},
		{"MQTT-3.1.2-13 RETAIN of no will", knock(5, 0x22, none, id), wire.MalformedPacket},
		{"MQTT-3.1.2-16 a user without its flag", knock(5, 2, none, id, field("u")), wire.MalformedPacket},
		{"MQTT-3.1.2-17 a user that is not there", knock(5, 0x82, none, id), wire.MalformedPacket},
		{"MQTT-3.1.2-18 a password without its flag", knock(5, 0x82, none, id, field("u"), field("p")), wire.MalformedPacket},
		{"MQTT-3.1.2-19 a password that is not there", knock(5, 0x42, none, id), wire.MalformedPacket},
		{"MQTT-3.1.2-24 a client that takes no CONNACK", knock(5, 2, []byte{5, 0x27, 0, 0, 0, 20}, id), wire.PacketTooLarge},
		{"MQTT-3.1.3-3 no client identifier", knock(5, 2, none), wire.MalformedPacket},
		{"MQTT-3.1.3-4 a client identifier that is not UTF-8", knock(5, 2, none, field("\xff")), wire.MalformedPacket},
		{"MQTT-3.1.3-8 a long client identifier", knock(5, 2, none, long), wire.ClientIDNotValid},
		{"MQTT-3.1.3-11 a will topic that is not UTF-8", knock(5, 6, none, id, none, field("\xff"), field("")), wire.MalformedPacket},
		{"MQTT-3.1.3-12 a user that is not UTF-8", knock(5, 0x82, none, id, field("\xff")), wire.MalformedPacket},
		{"MQTT-3.1.4-1 a property twice", knock(5, 2, []byte{6, 0x21, 0, 1, 0x21, 0, 1}, id), wire.ProtocolError},
		{"MQTT-3.2.2-12 a will of QoS 2", knock(5, 0x16, none, id, none, field("w"), field("")), wire.QoSNotSupported},
		{"MQTT-3.2.2-13 a retained will", knock(5, 0x26, none, id, none, field("w"), field("")), wire.RetainNotSupported},
		{"MQTT-4.7.0-1 a will topic with a wildcard", knock(5, 6, none, id, none, field("w/#"), field("")), wire.MalformedPacket},
		{"MQTT-4.12.0-1 an authentication method", knock(5, 2, []byte{4, 0x15, 0, 1, 'X'}, id), wire.BadAuthMethod},
	}
}

// refusedOf311 are what does not let a 3.1.1 client in.
func refusedOf311() []breach {
	id := field("a")
	return []breach{
		{"MQTT311-3.1.0-1 another packet first", []byte{0xC0, 0}, silence},
		{"MQTT311-3.1.2-1 another protocol", packet(0x10, joined(field("MQTX"), []byte{4, 2, 0, 60}, id)), silence},
		{"MQTT311-3.1.2-2 the level of 3.1", packet(0x10, joined(field("MQIsdp"), []byte{3, 2, 0, 60}, id)), 1},
		{"MQTT311-3.1.2-3 the reserved flag", knock(4, 3, id), silence},
		{"MQTT311-3.1.2-9 a will that is not there", knock(4, 6, id), silence},
		{"MQTT311-3.1.2-11 a will without its flag", knock(4, 2, id, field("w"), field("")), silence},
		{"MQTT311-3.1.2-13 QoS of no will", knock(4, 0x0A, id), silence},
		{"MQTT311-3.1.2-14 a will of QoS 3", knock(4, 0x1E, id, field("w"), field("")), silence},
		{"MQTT311-3.1.2-15 RETAIN of no will", knock(4, 0x22, id), silence},
		{"MQTT311-3.1.2-18 a user without its flag", knock(4, 2, id, field("u")), silence},
		{"MQTT311-3.1.2-19 a user that is not there", knock(4, 0x82, id), silence},
		{"MQTT311-3.1.2-20 a password without its flag", knock(4, 0x82, id, field("u"), field("p")), silence},
		{"MQTT311-3.1.2-21 a password that is not there", knock(4, 0xC2, id, field("u")), silence},
		{"MQTT311-3.1.2-22 a password without a user", knock(4, 0x42, id, field("p")), silence},
		{"MQTT311-3.1.3-3 no client identifier", knock(4, 2), silence},
		{"MQTT311-3.1.3-4 a client identifier that is not UTF-8", knock(4, 2, field("\xff")), silence},
		{"MQTT311-3.1.3-8 an empty client identifier, not clean", knock(4, 0, field("")), 2},
		{"MQTT311-3.1.3-9 a long client identifier", knock(4, 2, field(strings.Repeat("x", 257))), 2},
		{"MQTT311-3.1.3-10 a will topic that is not UTF-8", knock(4, 6, id, field("\xff"), field("")), silence},
		{"MQTT311-3.1.3-11 a user that is not UTF-8", knock(4, 0x82, id, field("\xff")), silence},
		{"MQTT311-3.1.4-1 bytes left over", knock(4, 2, id, []byte{1}), silence},
		{"MQTT311-3.1.2-17 a retained will", knock(4, 0x26, id, field("w"), field("")), silence},
		{"MQTT311-3.2.2-6 a will of QoS 2, for which there is no code", knock(4, 0x16, id, field("w"), field("")), silence},
	}
}

// A CONNECT that is refused gets its CONNACK or none, session present is 0
// [MQTT-3.2.2-6], there is no DISCONNECT [MQTT-3.14.0-1], the connection ends
// [MQTT-3.2.2-7], [MQTT-4.13.2-1] and what came behind it is not looked at
// [MQTT-3.1.4-6]; in 3.1.1 [MQTT311-3.2.2-4], [MQTT311-3.2.2-5], [MQTT311-3.1.4-5].
func TestConformance_Refusals(t *testing.T) {
	t.Parallel()
	for version, cases := range map[wire.Version][]breach{wire.V5: refusedOf5(), wire.V311: refusedOf311()} {
		s := newSite(t)
		for _, b := range cases {
			t.Run(b.name, func(t *testing.T) {
				c := s.dial()
				c.TB, c.version = t, version
				c.write(append(bytes.Clone(b.sent), c.message("data/behind", "it", 1, 0)...))
				if got := c.refusal(); got != b.want {
					t.Errorf("CONNACK %v, want %v", got, b.want)
				}
			})
		}
		c := s.connect(hello{id: "welcome"})
		c.acks(wire.Success, c.publish("data/a", "1"))
		s.stores("1")
	}
}

// refusal returns why the CONNECT was refused, silence when it was not told.
func (c *client) refusal() wire.Reason {
	c.Helper()
	reason := silence
	for {
		first, body, err := c.next(patience)
		switch {
		case err != nil:
			return reason
		case first != 0x20 || reason != silence || body[0] != 0:
			c.Fatalf("packet %x %x, want one CONNACK, session present 0", first, body)
		}
		reason = wire.Reason(body[1])
	}
}

func TestConformance_Connack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	letters := "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	problem, response, aliases := []byte{0x17, 0}, []byte{0x19, 0}, []byte{0x22, 0, 10}
	for _, c := range []struct {
		name string
		h    hello
		has  map[byte]string
		not  string // identifiers of properties
	}{
		{name: "MQTT-3.1.2-28 no response information", h: hello{id: "a", properties: response}, not: "\x1a"},
		{name: "MQTT-3.1.3-5 letters and digits", h: hello{id: letters[:23]}, not: "\x12"},
		{name: "MQTT-3.1.3-5 the other letters", h: hello{id: letters[40:]}, not: "\x12"},
		{name: "MQTT-3.2.2-9 maximum QoS", h: hello{id: "a"}, has: map[byte]string{0x24: "\x01"}},
		{name: "MQTT-3.2.2-18 no topic aliases", h: hello{id: "a", properties: aliases}, not: "\x22"},
		{name: "MQTT-3.2.2-21 a longer keepalive than the server's", h: hello{id: "a", keepalive: 4000}, has: map[byte]string{0x13: "\x0e\x10"}},
		{name: "MQTT-3.2.2-22 the client's keepalive holds", h: hello{id: "a", keepalive: 10}, not: "\x13"},
		{name: "MQTT-3.2.2-20 no user properties", h: hello{id: "a", properties: problem}, not: "\x26\x1f"},
		{name: "MQTT-4.12.0-6 no authentication method", h: hello{id: "a"}, not: "\x15\x16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := s.connect(c.h)
			conn.TB = t
			got := conn.told()
			for id, want := range c.has {
				if got[id] != want {
					t.Errorf("property %#x is %x, want %x", id, got[id], want)
				}
			}
			for _, id := range []byte(c.not) {
				if value, there := got[id]; there {
					t.Errorf("property %#x is %x, want none", id, value)
				}
			}
			conn.disconnect()
		})
	}
}

// told takes the properties of the CONNACK apart; one that a server of this kind does
// not send fails the test.
func (c *client) told() map[byte]string {
	c.Helper()
	widths := map[byte]int{0x11: 4, 0x13: 2, 0x21: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x29: 1, 0x2A: 1}
	all, b := map[byte]string{}, c.connack[3:]
	for len(b) > 0 {
		id, width := b[0], widths[b[0]]
		b = b[1:]
		if id == 0x12 {
			width, b = int(binary.BigEndian.Uint16(b)), b[2:]
		}
		if width == 0 {
			c.Fatalf("property %#x in CONNACK %x", id, c.connack)
		}
		all[id], b = string(b[:width]), b[width:]
	}
	return all
}

// [MQTT-3.1.3-6], [MQTT-3.1.3-7], [MQTT-3.2.2-16]: each gets a name of its own and is
// known by it.
func TestConformance_AssignedClientIdentifier(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := hello{properties: expires(3600)}
	one, other := s.connect(h), s.connect(h)
	name := one.told()[0x12]
	if name == "" || name == other.told()[0x12] {
		t.Errorf("assigned %q and %q", name, other.told()[0x12])
	}
	one.disconnect()
	h.id = name
	if again := s.connect(h); !again.present {
		t.Error("session present 0 for the assigned name, want 1")
	}
	s.connect(hello{version: wire.V311, clean: true}).ping() // and 3.1.1 [MQTT311-3.1.3-6]
}

// lasting is the CONNECT of a session that outlives its connection.
func lasting(v wire.Version, id string) hello {
	h := hello{version: v, id: id}
	if v == wire.V5 {
		h.properties = expires(3600)
	}
	return h
}

// A client identifier, of 23 letters and digits [MQTT311-3.1.3-5], identifies a session
// [MQTT-3.1.3-2], [MQTT311-3.1.3-2]. What the steps say is of 3.1.1, too:
// [MQTT311-3.1.2-4], [MQTT311-3.1.2-6], [MQTT311-3.1.4-3], [MQTT311-3.2.2-1],
// [MQTT311-3.2.2-2], [MQTT311-3.2.2-3]. connect wants CONNACK with 0 [MQTT-3.1.4-5],
// [MQTT311-3.1.4-4].
func TestConformance_Session(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t)
		p := s.connect(hello{id: "p"})
		h := lasting(v, "0123456789abcdefgzABCYZ")
		hears := func(c *client, want bool) {
			t.Helper()
			p.acks(wire.Success, p.publish("pulse", "1"))
			if want {
				c.receives("pulse", "1")
			}
			c.ping() // and nothing else comes
		}
		for _, step := range []struct {
			name    string
			clean   bool
			present bool
			hears   bool // by the subscription of the first step
		}{
			{"MQTT-3.1.2-6 there is none", false, false, true},
			{"MQTT-3.1.2-5 it is resumed", false, true, true},
			{"MQTT-3.1.2-4, MQTT-3.2.2-2 it is discarded", true, false, false},
			{"MQTT-3.2.2-3 a clean one of before counts as it was kept", false, v == wire.V5, false},
		} {
			t.Run(step.name, func(t *testing.T) {
				h.clean = step.clean
				c := s.connect(h)
				c.TB = t
				if c.present != step.present {
					t.Errorf("session present %t, want %t", c.present, step.present)
				}
				if !step.clean && !step.present && step.hears {
					c.subscribe("pulse", 1)
				}
				hears(c, step.hears)
				c.disconnect()
			})
		}
	})
}

// Who is subscribed before it has its CONNACK gets that first, whatever is published
// meanwhile and whoever takes its place: [MQTT-3.2.0-1], [MQTT-3.14.0-1],
// [MQTT311-3.2.0-1].
func TestConformance_ConnackComesFirst(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t)
		h := lasting(v, "a")
		c := s.connect(h)
		c.subscribe("pulse", 0)
		defer s.connect(hello{id: "p"}).flood("pulse", "1")()
		for range 300 { // hello fails when another packet comes first
			c = s.connect(h)
		}
		c.receives("pulse", "1")
	})
}

// flood publishes a message without end, until stop is called.
func (c *client) flood(topic, payload string) (stop func()) {
	done, flooded := make(chan struct{}), make(chan struct{})
	many := bytes.Repeat(packet(0x30, joined(field(topic), []byte{0}, []byte(payload))), 50)
	go func() {
		defer close(flooded)
		for {
			select {
			case <-done:
				return
			default:
			}
			_ = c.SetWriteDeadline(time.Now().Add(patience)) // else that of the whole connection; fails only as the write will
			if _, err := c.Write(many); err != nil {
				c.Error(fmt.Errorf("publish: %w", err))
				return
			}
		}
	}()
	return func() { close(done); <-flooded }
}
