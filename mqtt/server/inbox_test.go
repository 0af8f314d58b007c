package server

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/mqtt/server/wire"
)

// dialTo connects to a session without an engine.
func dialTo(t testing.TB, s *session) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.bound[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{TB: t, Conn: conn, version: wire.V5}
}

// receive receives until there were n deliveries; what is not the last of the calls
// is acknowledged.
func receive(t testing.TB, s *session, n int) []sluice.Delivery {
	t.Helper()
	for got := 0; ; {
		ds, err := s.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got += len(ds); got >= n {
			return ds
		}
		s.Ack(ds)
	}
}

// A full inbox holds everybody back and lets all in again, one after another; nothing
// is lost, and no keepalive runs.
func TestInbox_Full_HoldsAllBack(t *testing.T) {
	t.Parallel()
	server, s := opened(t, Config{MaxInbox: 10 << 10})
	const clients, each = 30, 20
	payload := strings.Repeat("x", 1000)
	all := make([]*client, clients)
	for i := range all {
		all[i] = dialTo(t, s)
		all[i].hello(hello{id: string(rune('A' + i)), keepalive: 1})
	}
	for range each {
		for _, c := range all {
			c.publish("data", payload)
		}
	}
	awaitStats(t, server, func(st Stats) bool { return st.Waits > 0 })
	// Above the 10 messages of the limit only what each had begun to read.
	if n, most := s.inbox.pendingCount(), 10+clients*(smallRead/len(payload)); n > most {
		t.Errorf("%d messages wait, want at most %d", n, most)
	}
	ticks := s.ticks.Load()
	awaitStats(t, server, func(Stats) bool { return s.ticks.Load() > ticks+4 })
	if n := server.Stats().Silent; n != 0 {
		t.Errorf("%d keepalives ran out while nothing was read", n)
	}
	seen := map[string]int{}
	for total := 0; total < clients*each; {
		ds, err := s.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range ds {
			if seen[ds[i].Client]++; int(ds[i].PacketID) != seen[ds[i].Client] {
				t.Fatalf("client %s: packet %d after %d", ds[i].Client, ds[i].PacketID, seen[ds[i].Client]-1)
			}
		}
		total += len(ds)
		s.Ack(ds)
	}
	for _, c := range all {
		c.acks(wire.Success, ids(1, each)...)
	}
}

// Those who wait in line and vanish let the next ones in.
func TestInbox_Full_ThoseInLineMayVanish(t *testing.T) {
	t.Parallel()
	server, s := opened(t, Config{MaxInbox: 1 << 10})
	all := make([]*client, 20)
	for i := range all {
		all[i] = dialTo(t, s)
		all[i].hello(hello{id: string(rune('A' + i))})
	}
	all[0].publish("data", strings.Repeat("x", 2000))
	awaitStats(t, server, func(st Stats) bool { return st.PublishesQoS1 == 1 })
	for _, c := range all[1:] {
		c.publish("data", "y")
	}
	awaitStats(t, server, func(st Stats) bool { return st.Waits == 20 })
	for _, c := range s.connections() {
		if c.client != "A" && c.client != "T" {
			c.stop(endLost, 0, nil)
		}
	}
	receive(t, s, 1)
	if ds := receive(t, s, 1); ds[0].Client != "T" {
		t.Errorf("message of %s, want that of the last one", ds[0].Client)
	}
}

func TestReceive_PartsOfAGroup_AreAcknowledgedInOrder(t *testing.T) {
	t.Parallel()
	_, s := opened(t, Config{Routed: func(topic string) bool { return topic == "data" }})
	c := dialTo(t, s)
	c.hello(hello{id: "a"})
	b := c.message("$no", "0", 1, 0)
	for id := uint16(2); id < 6; id++ {
		b = append(b, c.message("data", "x", id, 0)...)
	}
	c.write(append(b, c.message("$no", "9", 6, 0)...))
	ds := receive(t, s, 4)
	s.Ack(ds[:2])
	c.acks(wire.NotAuthorized, 1)
	c.acks(wire.Success, 2, 3)
	c.ping()
	s.Ack(ds[2:])
	c.acks(wire.Success, 4, 5)
	c.acks(wire.NotAuthorized, 6)
}

func TestMark_ComesBehindWhatWasRead(t *testing.T) {
	t.Parallel()
	server, s := opened(t, Config{Sync: "sluice/sync/plant-1"})
	c := dialTo(t, s)
	c.hello(hello{id: "a"})
	c.publish("data", "1")
	awaitStats(t, server, func(st Stats) bool { return st.PublishesQoS1 == 1 })
	if err := s.Mark([]byte("token 5")); err != nil {
		t.Fatal(err)
	}
	ds := receive(t, s, 2)
	if last := ds[len(ds)-1]; string(last.Topic) != "sluice/sync/plant-1" || string(last.Payload) != "token 5" || last.Client != "" {
		t.Errorf("got %+v, want the marker", last)
	}
	s.Ack(ds)
	c.acks(wire.Success, 1)
}

func TestReceive_AfterClose_Fails(t *testing.T) {
	t.Parallel()
	_, s := opened(t, Config{})
	s.Close()
	if _, err := s.Receive(t.Context()); err == nil {
		t.Error("no error")
	}
	if err := s.Mark(nil); err == nil {
		t.Error("no error of Mark")
	}
}

func TestOpen_AgainAfterClose_AcceptsThoseWhoWait(t *testing.T) {
	t.Parallel()
	server, s := opened(t, Config{})
	lease := s.lease
	if _, err := server.Open(t.Context(), lease, nil); err == nil {
		t.Error("two sessions at a time")
	}
	s.Close()
	c := dialTo(t, s)
	c.write(hello{id: "a"}.packet())
	again, err := server.Open(t.Context(), lease, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if first, _ := c.packet(); first != 0x20 {
		t.Errorf("packet %x, want CONNACK", first)
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l := newLimiter(2, 3)
	a, b, now := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), time.Unix(1000, 0)
	for i, want := range []bool{true, true, true, false} {
		if got := l.allow(a, now); got != want {
			t.Errorf("connection %d: %t", i, got)
		}
	}
	if !l.allow(b, now) {
		t.Error("the limit of another address counts")
	}
	now = now.Add(time.Second)
	for i, want := range []bool{true, true, false} {
		if got := l.allow(a, now); got != want {
			t.Errorf("connection %d after a second: %t", i, got)
		}
	}
	if l.prune(now.Add(time.Minute)); len(l.buckets) != 0 {
		t.Errorf("%d full buckets are kept", len(l.buckets))
	}
}
