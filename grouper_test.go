package sluice

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readings are n QoS 1 deliveries of as many devices, the topics in turn.
func readings(n, devices int) []Delivery {
	ds := make([]Delivery, n)
	for i := range ds {
		ds[i] = Delivery{
			Topic: fmt.Appendf(nil, "data/sensor/device-%03d", i%devices), Payload: fmt.Appendf(nil, "reading %027d", i),
			Received: int64(i), Subscriptions: []uint32{1}, PacketID: uint16(i + 1), QoS: 1,
		}
	}
	return ds
}

func testMux(topics ...string) *Mux {
	m := NewMux()
	for _, topic := range topics {
		m.Handle(topic, Policy{}, HandlerFunc(nil))
	}
	return m
}

func newTestGrouper(m *Mux) *grouper {
	gr := newGrouper(m, nil, nobody{}, slog.New(slog.DiscardHandler))
	gr.begin(Lease{Session: "s", Token: "t"}, 2000)
	return gr
}

func messagesOf(t *testing.T, p Part) (out []string) {
	t.Helper()
	ms, err := AppendMessages(nil, p.Frame.Data)
	if err != nil || len(ms) != p.Frame.Count {
		t.Fatalf("frame of %d messages has %d: %v", p.Frame.Count, len(ms), err)
	}
	for _, m := range ms {
		out = append(out, m.Topic+" "+string(m.Payload))
	}
	return out
}

func TestGrouper_GroupsByRouteInOrderAndReusesItsMemory(t *testing.T) {
	t.Parallel()
	gr := newTestGrouper(testMux("a/+", "b"))
	for round := range 3 {
		at := func(s string) []byte { return fmt.Appendf(nil, "%s%d", s, round) }
		g := gr.build([]Delivery{
			{Topic: []byte("a/1"), Payload: at("x"), QoS: 1, PacketID: 1},
			{Topic: []byte("b"), Payload: at("y"), QoS: 1, PacketID: 2},
			{Topic: []byte("a/2"), Payload: at("z"), QoS: 0},
		})
		if g.Number != uint64(round+1) || len(g.Parts) != 2 || len(g.Delivered) != 2 || g.Remember != 1<<15 {
			t.Fatalf("group %+v", g)
		}
		want := [][]string{{"a/1 " + string(at("x")), "a/2 " + string(at("z"))}, {"b " + string(at("y"))}}
		if diff := cmp.Diff(want, [][]string{messagesOf(t, g.Parts[0]), messagesOf(t, g.Parts[1])}); diff != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, diff)
		}
	}
	if g := gr.build([]Delivery{{Topic: []byte("b"), QoS: 1, PacketID: 3}}); len(g.Parts) != 1 || g.Parts[0].Queue != "b" {
		t.Errorf("a group without messages of a route has a part of it: %+v", g.Parts)
	}
}

func TestGrouper_NewSessionForgetsTheOldOne(t *testing.T) {
	t.Parallel()
	gr := newTestGrouper(testMux("a"))
	d := Delivery{Topic: []byte("a"), Payload: []byte("p"), QoS: 1, PacketID: 5, Dup: true}
	record := []Delivered{{PacketID: 5, Hash: hashOf(d.Topic, d.Payload)}}
	for _, tt := range []struct {
		name   string
		record []Delivered
		stored int
	}{{"on record", record, 0}, {"record cleared", nil, 1}} {
		gr.begin(Lease{Token: tt.name, Delivered: tt.record}, 10)
		g := gr.build([]Delivery{d})
		if g.Number != 1 || g.Lease.Token != tt.name || len(g.Parts) != tt.stored || len(g.Drops) != 1-tt.stored {
			t.Errorf("%s: group %+v", tt.name, g)
		}
	}
}

func TestGrouper_TheNewestMessageOfAPacketIDCounts(t *testing.T) {
	t.Parallel()
	gr := newTestGrouper(testMux("a"))
	topic := []byte("a")
	gr.begin(Lease{Delivered: []Delivered{{5, hashOf(topic, []byte("old"))}, {5, hashOf(topic, []byte("new"))}}}, 10)
	g := gr.build([]Delivery{
		{Topic: topic, Payload: []byte("old"), QoS: 1, PacketID: 5, Dup: true},
		{Topic: topic, Payload: []byte("new"), QoS: 1, PacketID: 5, Dup: true},
	})
	if diff := cmp.Diff([]string{"a old"}, messagesOf(t, g.Parts[0])); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestGrouper_CacheOfTopicsIsBounded(t *testing.T) {
	t.Parallel()
	gr := newTestGrouper(testMux("a/+"))
	for i := range maxTargets + 1000 {
		gr.target(fmt.Appendf(nil, "a/%d", i))
	}
	if n := len(gr.targets); n > maxTargets {
		t.Errorf("%d topics remembered, want at most %d", n, maxTargets)
	}
}

// The hash is stored: a release that computes another one takes redelivered
// messages for new ones.
func TestHashOf_IsFNV1aForEver(t *testing.T) {
	t.Parallel()
	if got, want := hashOf([]byte("data/sensor"), []byte("reading")), uint64(0x876324cc667fa18b); got != want {
		t.Errorf("hash %#x, want %#x", got, want)
	}
	for _, tt := range [][2]string{{"", ""}, {"data/sensor", "reading"}, {"data/sensorr", "eading"}, {"a", "\x00\xff"}} {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s\xff%s", tt[0], tt[1])
		if got := hashOf([]byte(tt[0]), []byte(tt[1])); got != h.Sum64() {
			t.Errorf("hash of %q is %#x, want %#x", tt, got, h.Sum64())
		}
	}
}

func TestPacketWindow_TellsOnceOfAnEarlyReturn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		cycle int // ids in turn
		want  bool
	}{{"within the record", 19, true}, {"just outside", 20, false}, {"far", 65535, false}} {
		w := packetWindow{length: 20}
		told := 0
		for i := range 200_000 {
			if w.reused(uint16(i%tt.cycle + 1)) {
				told++
			}
		}
		if (told == 1) != tt.want || told > 1 {
			t.Errorf("%s: told %d times", tt.name, told)
		}
	}
}

func TestGrouper_AllocatesNothingPerMessage(t *testing.T) {
	gr := newTestGrouper(testMux("data/sensor/{device}"))
	ds := readings(100, 100)
	gr.build(ds)
	if n := testing.AllocsPerRun(100, func() { gr.build(ds) }); n != 0 {
		t.Errorf("%v allocations for a group of 100 messages, want 0", n)
	}
}

// BenchmarkGrouper is the router's own work per message between the read and
// the append: 100 messages a group, 100 topics, payloads of 35 bytes.
func BenchmarkGrouper(b *testing.B) {
	gr := newTestGrouper(testMux("connect", "connect/{device}", "data/sensor", "data/sensor/{device}"))
	ds := readings(100, 100)
	for i := range ds {
		ds[i].Subscriptions = nil
	}
	gr.build(ds)
	b.ReportAllocs()
	messages := 0
	for b.Loop() {
		messages += gr.build(ds).Parts[0].Frame.Count
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
}
