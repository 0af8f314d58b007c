package server

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"sluice/mqtt/server/wire"
	"sluice/sluicetest"
)

func TestConnect_Refusals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	will := func(qos byte, retain bool) *testWill { return &testWill{topic: "lwt/a", qos: qos, retain: retain} }
	for _, c := range []struct {
		name string
		h    hello
		want wire.Reason
	}{
		{"will of QoS 2", hello{id: "a", will: will(2, false)}, wire.QoSNotSupported},
		{"retained will", hello{id: "a", will: will(1, true)}, wire.RetainNotSupported},
		{"will on a topic of the server", hello{id: "a", will: &testWill{topic: "$SYS/x"}}, wire.NotAuthorized},
		{"long name", hello{id: strings.Repeat("x", 257)}, wire.ClientIDNotValid},
		{"no name, 3.1.1", hello{version: wire.V311}, 2},
		{"authentication method", hello{id: "a", properties: append([]byte{0x15}, str(nil, "SCRAM")...)}, wire.BadAuthMethod},
		{"version 3", hello{version: 3, id: "a"}, 1},
	} {
		conn := s.dial()
		if got := conn.hello(c.h); got != c.want {
			t.Errorf("%s: CONNACK %v, want %v", c.name, got, c.want)
		}
		conn.ends()
	}
}

// What 3.1.1 has no code for is closed without a word.
func TestConnect_RetainedWillOf311_IsClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.dial()
	c.write(hello{version: wire.V311, id: "a", will: &testWill{topic: "lwt/a", retain: true}}.packet())
	c.ends()
}

func TestConnect_NoMQTT_IsClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00", "\xc0\x00", "\x10\x04\x00\x04MQTT", "\xf0\xff\xff\xff\xff\xff"} {
		c := s.dial()
		c.write([]byte(text))
		c.write([]byte{0, 0, 0, 0, 0, 0, 0, 0}) // completes what is announced
		c.CloseWrite()
		c.ends()
	}
	s.connect(hello{id: "a"}).ping()
}

func TestConnack_TellsWhatIsOffered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{keepalive: 0, properties: expires(1 << 30)})
	for name, property := range map[string][]byte{
		"session expiry":   expires(7 * 24 * 3600),
		"receive maximum":  receives(1000),
		"maximum QoS":      {0x24, 1},
		"retain":           {0x25, 0},
		"packet size":      maxPacket(68 << 10),
		"assigned id":      append([]byte{0x12}, str(nil, "auto-")[2:]...)[:1],
		"server keepalive": {0x13, 3600 >> 8, 3600 & 0xff},
		"subscription ids": {0x29, 0},
		"shared":           {0x2A, 0},
	} {
		if !bytes.Contains(c.connack[2:], property) {
			t.Errorf("%s: %x is not in CONNACK %x", name, property, c.connack)
		}
	}
	if !bytes.Contains(c.connack, []byte("auto-")) {
		t.Errorf("no assigned name in CONNACK %q", c.connack)
	}
}

func TestConnect_WhileTheRegistryIsDown_IsRefusedAndTheOldConnectionStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	old := s.connect(hello{id: "a"})
	s.queue.Fail("Connect", sluicetest.Refuse, errDown, 1)
	if got := s.dial().hello(hello{id: "a"}); got != wire.ServerUnavailable {
		t.Errorf("CONNACK %v, want 0x88", got)
	}
	old.ping()
}

func TestConnect_BeyondMaxClients_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.MaxClients = 1 })
	s.connect(hello{id: "a"})
	if got := s.dial().hello(hello{id: "b"}); got != wire.QuotaExceeded {
		t.Errorf("CONNACK %v, want 0x97", got)
	}
}

func TestConnect_PacketsRightBehindIt_Count(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.dial()
	c.write(append(hello{id: "a"}.packet(), c.message("data/a", "early", 7, 0)...))
	c.packet()
	c.acks(wire.Success, 7)
	s.stores("early")
}

func TestConnect_ByteByByte(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.dial()
	for _, b := range append(hello{id: "a"}.packet(), c.message("data/a", "slow", 7, 0)...) {
		c.write([]byte{b})
	}
	c.packet()
	c.acks(wire.Success, 7)
}

func TestHalfOpenConnections_AreClosedAndHinderNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.ConnectTimeout = 3 * time.Second })
	half := make([]*client, 1000)
	for i := range half {
		half[i] = s.dial()
		if i%2 == 0 {
			half[i].write([]byte{0x10, 0x7f, 0})
		}
	}
	c := s.connect(hello{id: "a"})
	c.acks(wire.Success, c.publish("data/a", "1"))
	s.counts("half-open ones are closed", func(st Stats) bool { return st.Connections == 1 })
	for _, h := range half {
		h.ends()
	}
	c.ping()
}

func TestConnections_BeyondTheLimit_AreClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.MaxConnections = 1 })
	c := s.connect(hello{id: "a"})
	s.dial().ends()
	c.ping()
	c.disconnect()
	s.counts("closed", func(st Stats) bool { return st.Connections == 0 })
	s.connect(hello{id: "b"})
}

func TestConnections_BeyondTheRate_AreClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.Rate, c.Burst = 1, 2 })
	a, b := s.connect(hello{id: "a"}), s.connect(hello{id: "b"})
	s.dial().ends()
	a.ping()
	b.ping()
	if st := s.server.Stats(); st.RefusedRate == 0 {
		t.Errorf("%+v, want a connection refused for its rate", st)
	}
}
