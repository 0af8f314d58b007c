package server

import (
	"strings"
	"testing"

	"sluice"
	"sluice/mqtt/server/wire"
)

func TestViolations_EndTheConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.ReceiveMaximum = 1000 })
	aliased := append(str(nil, "data/a"), 0, 9, 3, 0x23, 0, 1)
	identified := append([]byte{0, 9, 2, 0x0B, 1}, append(str(nil, "pulse"), 0)...)
	for _, c := range []struct {
		name  string
		bytes []byte
		want  wire.Reason
	}{
		{"QoS 2", packet(0x34, append(str(nil, "data/a"), 0, 9, 0)), wire.QoSNotSupported},
		{"RETAIN", packet(0x33, append(str(nil, "data/a"), 0, 9, 0)), wire.RetainNotSupported},
		{"topic alias", packet(0x32, aliased), wire.TopicAliasInvalid},
		{"subscription identifier", packet(0x82, identified), wire.SubscriptionIDsNotSupported},
		{"second CONNECT", hello{id: "a"}.packet(), wire.ProtocolError},
		{"too large", []byte{0x32, 0xff, 0xff, 0x7f}, wire.PacketTooLarge},
		{"malformed", []byte{0x32, 0x01, 0x00}, wire.MalformedPacket},
		{"wildcard", packet(0x32, append(str(nil, "data/+"), 0, 9, 0)), wire.MalformedPacket},
		{"session asked for too late", packet(0xE0, append([]byte{0, 5}, expires(9)...)), wire.ProtocolError},
		{"padded length", []byte("\x82\x8a\x00000\x82\x82\x82  00"), wire.MalformedPacket},
		{"AUTH", []byte{0xF0, 0}, wire.ProtocolError},
	} {
		conn := s.connect(hello{id: "a"})
		conn.write(c.bytes)
		if got := conn.ends(); got != c.want {
			t.Errorf("%s: DISCONNECT %v, want %v", c.name, got, c.want)
		}
	}
}

// Packets that no buffer holds are put together as they come.
func TestPublish_LongPackets(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		a := newAuthority(t)
		server, s := openedWith(t, secure, a, Config{MaxPacket: 2 << 20, ReceiveMaximum: 1000})
		c := dialTo(t, s)
		if secure {
			c, _ = c.over(a.client(""))
		}
		c.hello(hello{id: "a"})
		sizes := []int{1, 40_000, 70_000, 1 << 20, 3, 66_000, 1_500_000, 0}
		for _, n := range sizes {
			c.publish("data", strings.Repeat("x", n))
		}
		got := 0
		for got < len(sizes) {
			ds, err := s.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i := range ds {
				if len(ds[i].Payload) != sizes[got] {
					t.Errorf("payload of %d bytes, want %d", len(ds[i].Payload), sizes[got])
				}
				got++
			}
			s.Ack(ds)
		}
		c.acks(wire.Success, ids(1, len(sizes))...)
		if n := server.Stats().BytesIn; n < 2_700_000 {
			t.Errorf("%d bytes in", n)
		}
	}
}

// What came before the violation counts.
func TestViolation_BehindMessages_TheyAreStored(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a"})
	c.write(append(c.message("data/a", "1", 1, 0), 0xF0, 0))
	c.ends()
	s.stores("1")
}

func TestReceiveMaximum_Exceeded_EndsTheConnection(t *testing.T) {
	t.Parallel()
	_, s := opened(t, Config{ReceiveMaximum: 3})
	c := dialTo(t, s)
	c.hello(hello{id: "a"})
	c.publish("data", "1", "2", "3", "4")
	if got := c.ends(); got != wire.ReceiveMaximumExceeded {
		t.Errorf("DISCONNECT %v, want 0x93", got)
	}
}

// A 3.1.1 client does not know the maximum: it is read on when there is room.
func TestReceiveMaximum_Of311_HoldsTheClientBack(t *testing.T) {
	t.Parallel()
	server, s := opened(t, Config{ReceiveMaximum: 3})
	c := dialTo(t, s)
	c.hello(hello{version: wire.V311, id: "a", clean: true})
	first := c.publish("data", "1", "2", "3", "4")
	awaitStats(t, server, func(st Stats) bool { return st.Waits == 1 })
	c.publish("data", "5")
	ds := receive(t, s, 4)
	s.Ack(ds)
	receive(t, s, 1)
	c.acks(wire.Success, ids(first, 4)...)
}

func TestRetain_Of311_IsNotLookedAt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{version: wire.V311, id: "a", clean: true})
	c.write(c.message("data/a", "1", 1, 1))
	c.acks(wire.Success, 1)
	s.stores("1")
}

func TestPayload_AboveTheRoutesLimit_IsAcknowledgedAndADeadLetter(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a"})
	c.acks(wire.Success, c.publish("data/a", strings.Repeat("x", 64<<10)))
	s.eventually(func() error {
		q, err := s.store.Status(t.Context(), sluice.QueueDead)
		if err == nil && q.Open+q.Sealed != 1 {
			return &wire.Error{Text: "no dead letter"}
		}
		return err
	})
}
