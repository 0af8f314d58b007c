package server

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/mqtt/server/wire"
)

func TestPass_ToSubscribersOfAllReplicas(t *testing.T) {
	t.Parallel()
	bothStores(t, func(t *testing.T, on store) {
		here, there := startSite(t, on), startSite(t, on)
		a, b := here.connect(hello{version: wire.V311, id: "a", clean: true}), there.connect(hello{id: "b"})
		if a.subscribe("pulse", 1) != 1 || b.subscribe("+", 0) != 0 {
			t.Error("not granted as asked for")
		}
		clock := here.connect(hello{id: "clock"})
		here.eventually(func() error { // Listen of the other replica may just begin
			clock.acks(wire.Success, clock.publish("pulse", "tick"))
			if there.server.Stats().Delivered == 0 {
				return fmt.Errorf("not heard yet")
			}
			return nil
		})
		a.receives("pulse", "tick")
		b.receives("pulse", "tick")
		clock.acks(wire.Success, clock.publish("pulse", "1"))
	})
}

func TestPass_WhileTheRegistryIsDown_LocalSubscribersStillHear(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a"})
	c.subscribe("pulse", 0)
	s.queue.Fail("Broadcast", 1, errDown, 1)
	clock := s.connect(hello{id: "clock"})
	clock.acks(wire.ImplementationSpecific, clock.publish("pulse", "1"))
	c.receives("pulse", "1")
}

func TestSubscribe_WhatIsNotOffered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, old := s.connect(hello{id: "a"}), s.connect(hello{version: wire.V311, id: "old", clean: true})
	for filter, want := range map[string]wire.Reason{
		"$share/g/pulse": wire.SharedNotSupported, "data/a": wire.ImplementationSpecific, "data/+": wire.GrantedQoS1, "pulse": wire.GrantedQoS1,
		"many/" + strings.Repeat("x", 9000): wire.QuotaExceeded,
	} {
		if got := c.subscribe(filter, 2); got != want {
			t.Errorf("%.20s: SUBACK %v, want %v", filter, got, want)
		}
	}
	if got := old.subscribe("$share/g/pulse", 0); got != 0x80 {
		t.Errorf("3.1.1: SUBACK %v, want 0x80", got)
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a", properties: expires(3600)})
	c.subscribe("pulse", 0)
	c.subscribe("x", 0)
	b := str(str([]byte{0, 9, 0}, "pulse"), "other")
	c.write(packet(0xA2, b))
	first, body := c.packet()
	if first != 0xB0 || body[3] != 0 || wire.Reason(body[4]) != wire.NoSubscriptionExisted {
		t.Errorf("UNSUBACK %x %x", first, body)
	}
	c.Close()
	c = s.connect(hello{id: "a", properties: expires(3600)})
	p := s.connect(hello{id: "p"})
	p.publish("pulse", "1")
	p.publish("x", "2")
	c.receives("x", "2") // and not pulse
}

func TestSubscriptions_OutliveTheConnection(t *testing.T) {
	t.Parallel()
	bothStores(t, func(t *testing.T, on store) {
		s := startSite(t, on)
		h := hello{id: "a", properties: expires(3600)}
		c := s.connect(h)
		c.subscribe("pulse", 1)
		c.Close()
		c = s.connect(h)
		s.connect(hello{id: "p"}).publish("pulse", "1")
		c.receives("pulse", "1")
	})
}

func TestFanout_NoLocalOverlapAndSize(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a", properties: maxPacket(100)})
	c.subscribe("own", 0x04) // no local
	c.subscribe("x/+", 0)
	c.subscribe("x/#", 1)
	first := c.publish("own", "1")
	c.acks(wire.Success, first)
	p := s.connect(hello{id: "p"})
	p.publish("x/y", strings.Repeat("x", 200))
	p.publish("x/y", "once")
	p.publish("own", "2")
	if id := c.receives("x/y", "once"); id == 0 {
		t.Error("QoS 0, want the highest of both subscriptions")
	}
	c.receives("own", "2")
	s.counts("dropped", func(st Stats) bool { return st.Dropped == 1 && st.Delivered == 2 })
}

func TestFanout_ReceiveMaximumOfTheSubscriber(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a", properties: receives(2)})
	c.subscribe("pulse", 1)
	p := s.connect(hello{id: "p"})
	p.acks(wire.Success, ids(p.publish("pulse", "1", "2", "3", "4"), 4)...)
	one := c.receives("pulse", "1")
	two := c.receives("pulse", "2")
	c.ping() // and nothing else came
	c.write([]byte{0x40, 2, byte(one >> 8), byte(one)})
	three := c.receives("pulse", "3")
	c.ping()
	if three == two || three == 0 {
		t.Errorf("packet id %d is in flight", three)
	}
}

// A slow subscriber loses the oldest messages; the publisher never waits.
func TestFanout_SlowSubscriber(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.MaxQueued = 5 })
	c := s.connect(hello{id: "a", properties: receives(1)})
	c.subscribe("pulse", 1)
	p := s.connect(hello{id: "p"})
	for i := range 20 {
		p.acks(wire.Success, p.publish("pulse", fmt.Sprint(i)))
	}
	id := c.receives("pulse", "0")
	for i := 15; i < 20; i++ {
		c.write([]byte{0x40, 2, byte(id >> 8), byte(id)})
		id = c.receives("pulse", fmt.Sprint(i))
	}
	if n := s.server.Stats().Dropped; n != 14 {
		t.Errorf("%d dropped, want 14", n)
	}
}

func TestFanout_SlowSubscriber_IsDisconnected(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.MaxQueued, c.OnFull = 5, Disconnect })
	c := s.connect(hello{id: "a", properties: receives(1)})
	c.subscribe("pulse", 1)
	p := s.connect(hello{id: "p"})
	for i := range 7 {
		p.acks(wire.Success, p.publish("pulse", fmt.Sprint(i)))
	}
	if got := c.ends(); got != wire.QuotaExceeded {
		t.Errorf("DISCONNECT %v, want 0x97", got)
	}
}

func TestParcel_TimeThatAMessageHasWaitedIsSubtracted(t *testing.T) {
	t.Parallel()
	m := &wire.Publish{Topic: []byte("pulse"), Payload: []byte("p"), QoS: 1, HasExpiry: true, Expiry: 10, Properties: []byte{0x26, 0, 1, 'k', 0, 1, 'v'}}
	ps := parcels{message: m, made: time.Now().Add(-3 * time.Second)}
	p := ps.of(wire.V5, 1)
	if left, expired := p.left(); left != 7 || expired {
		t.Errorf("%d s left (%t), want 7", left, expired)
	}
	p.made = p.made.Add(-8 * time.Second)
	if _, expired := p.left(); !expired {
		t.Error("not expired after 11 of 10 s")
	}
	if got := binary.BigEndian.Uint16(p.packet[p.id:]); got != 0 || p.packet[p.id+2] == 0 {
		t.Errorf("the packet id is not at %d of %x", p.id, p.packet)
	}
}

// The tree finds what comparing all filters finds.
func TestTopics_AgreeWithMatchFilter(t *testing.T) {
	t.Parallel()
	levels := []string{"a", "b", "", "+", "$x"}
	r := rand.New(rand.NewPCG(1, 2))
	random := func(last []string) string {
		var parts []string
		for range 1 + r.IntN(4) {
			parts = append(parts, levels[r.IntN(len(levels))])
		}
		return strings.Join(append(parts, last[r.IntN(len(last))]), "/")
	}
	var tree topics
	filters := map[*connection]string{}
	for range 300 {
		c := &connection{}
		filters[c] = random([]string{"a", "#", "+"})
		tree.add(filters[c], c, options{})
	}
	for n := range 2000 {
		topic := strings.ReplaceAll(random([]string{"a", "b"}), "+", "c")
		got := map[*connection]bool{}
		for _, s := range tree.match(topic, nil) {
			got[s.conn] = true
		}
		for c, f := range filters {
			if want := wire.MatchFilter(f, topic); got[c] != want {
				t.Fatalf("topic %q, filter %q: %t, want %t", topic, f, got[c], want)
			}
		}
		if n%10 == 0 { // some go
			for c, f := range filters {
				if !tree.remove(f, c) || tree.remove(f, c) {
					t.Fatalf("%q was not there, or twice", f)
				}
				delete(filters, c)
				break
			}
		}
	}
	for c, f := range filters {
		tree.remove(f, c)
	}
	if len(tree.root.below) != 0 {
		t.Errorf("the tree keeps %d nodes of nobody", len(tree.root.below))
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(subscriptions{"pulse": {qos: 1}, "a/#": {noLocal: true}}.pack())
	f.Add([]byte{1, 0, 9, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := unpack(b)
		again := unpack(s.pack())
		if fmt.Sprint(again) != fmt.Sprint(s) {
			t.Errorf("%v becomes %v", s, again)
		}
	})
}
