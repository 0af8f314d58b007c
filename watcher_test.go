package sluice

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noted is an Attendant that notes what it is told. A payload on a reserved topic
// is the device's name, or "bad".
type noted struct {
	behind  time.Duration // presence time, behind the clock
	uptimes []notedUptime
	read    []string // names in reserved topics
}

type notedUptime struct {
	up    time.Duration
	at    int64
	stale bool
}

func (*noted) Run(context.Context)                  {}
func (*noted) Begin(context.Context, Lease) error   { return nil }
func (*noted) Attend(context.Context, Attended)     {}
func (*noted) Sync() string                         { return "sluice/sync/here" }
func (*noted) Applied(PresenceReceipt, int64)       {}
func (*noted) Unheard(context.Context, Lease) error { return nil }
func (k *noted) Now() int64                         { return time.Now().Add(-k.behind).UnixMicro() }
func (k *noted) Uptime(up time.Duration, at int64, stale bool) {
	k.uptimes = append(k.uptimes, notedUptime{up, at, stale})
}

func (k *noted) Read(kind MoveKind, device string, payload []byte) (Move, *BadMessage) {
	k.read = append(k.read, device)
	if string(payload) == "bad" {
		return Move{}, &BadMessage{Reason: ReasonDecode, Device: device, Detail: "it is bad"}
	}
	return Move{Kind: kind, Device: string(payload), Delay: 7}, nil
}

// watching is a grouper that watches presence, in virtual time.
type watching struct {
	*testing.T
	*grouper
	keeper *noted
	packet uint16
}

// watchingMux has the reserved topics and routes: one that names no device, one
// with a silent_after of 20 s whose payload names it, one whose topic does.
func watchingMux() *Mux {
	m := NewMux()
	m.WatchPresence()
	m.Handle("plain", Policy{}, HandlerFunc(nil))
	m.Add(Route{Topics: []string{"fast", "fast/{device}"}, Handler: HandlerFunc(nil), SilentAfter: 20 * time.Second, Identify: named})
	m.Add(Route{Topics: []string{"slow/{device}"}, Handler: HandlerFunc(nil)})
	return m
}

// named takes what is before a colon for the device.
func named(payload []byte) []byte {
	name, _, ok := bytes.Cut(payload, []byte(":"))
	if !ok {
		return nil
	}
	return name
}

func watch(t *testing.T, m *Mux, test func(w *watching)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watching{T: t, keeper: &noted{behind: time.Hour}}
		w.grouper = newGrouper(m, w.keeper, nobody{}, slog.New(slog.DiscardHandler))
		w.begin(Lease{Session: "s", Token: "12-token"}, 2000)
		test(w)
	})
}

// message is one that was received just now, the only copy of it.
func (w *watching) message(topic, payload string) Delivery {
	w.packet++
	return Delivery{Topic: []byte(topic), Payload: []byte(payload), Received: time.Now().UnixMicro(), QoS: 1, PacketID: w.packet}
}

// moves builds a group of one message and returns its moves in short.
func (w *watching) moves(topic, payload string) []string {
	return movesOf(w.build([]Delivery{w.message(topic, payload)}))
}

func movesOf(g *Group) (out []string) {
	for _, m := range g.Moves {
		out = append(out, string(rune(m.Kind))+" "+m.Device)
	}
	return out
}

func (w *watching) want(what string, got []string, want ...string) {
	w.Helper()
	if !slices.Equal(got, want) {
		w.Errorf("%s: moves %q, want %q", what, got, want)
	}
}

func TestSighting_DueAsOftenAsItsSilenceDemands(t *testing.T) {
	t.Parallel()
	type message struct {
		at, silent time.Duration
		due        bool
	}
	const s, ms = time.Second, time.Millisecond
	for _, tt := range []struct {
		name     string
		messages []message
	}{
		{"no silent_after", []message{{1 * s, 0, true}, {30 * s, 0, false}, {31*s - 1000, 0, false}, {31 * s, 0, true}, {60 * s, 0, false}}},
		{"a long one", []message{{1 * s, time.Hour, true}, {31*s - 1000, time.Hour, false}, {31 * s, time.Hour, true}}},
		{"a quarter of it", []message{{1 * s, 20 * s, true}, {6*s - 1000, 20 * s, false}, {6 * s, 20 * s, true}, {10 * s, 20 * s, false}}},
		{"a route with a shorter one", []message{{1 * s, 0, true}, {2 * s, 20 * s, true}, {6 * s, 20 * s, false}, {7 * s, 20 * s, true}}},
		{"a route with a longer one", []message{{1 * s, 20 * s, true}, {2 * s, time.Hour, true}, {30 * s, time.Hour, false}, {32 * s, time.Hour, true}}},
		{"a route without one", []message{{1 * s, 20 * s, true}, {2 * s, 0, true}, {30 * s, 0, false}}},
		{"a very short one", []message{{1 * s, 8 * ms, true}, {1*s + 1*ms, 8 * ms, false}, {1*s + 2*ms, 8 * ms, true}}},
		{"time goes back", []message{{100 * s, 0, true}, {90 * s, 0, false}, {130 * s, 0, true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			one := &sighting{}
			for i, m := range tt.messages {
				if got := one.due(m.at.Microseconds(), m.silent.Microseconds()); got != m.due {
					t.Errorf("message %d at %v: due %t, want %t", i, m.at, got, m.due)
				}
			}
		})
	}
}

func TestSightings_AreBounded(t *testing.T) {
	t.Parallel()
	s := newSightings(10)
	name := []byte("device-00")
	for i := range 25 {
		name = fmt.Appendf(name[:0], "device-%02d", i)
		one := sightingOf(&s, name)
		if one.device != fmt.Sprintf("device-%02d", i) || sightingOf(&s, one.device) != one {
			t.Fatalf("got %+v", one)
		}
		if len(s.young) > 10 || len(s.old) > 10 {
			t.Fatalf("%d and %d devices remembered, want at most 10 each", len(s.young), len(s.old))
		}
	}
	for i := range 10 { // those looked for last are all there
		name := fmt.Sprintf("device-%02d", 15+i)
		if s.young[name] == nil && s.old[name] == nil {
			t.Errorf("%s was forgotten", name)
		}
	}
	if sightingOf(&s, "device-24").device != "device-24" { // name was reused meanwhile
		t.Error("the name was not copied")
	}
}

func TestWatcher_ReadingIsASightingWhenItIsTime(t *testing.T) {
	watch(t, watchingMux(), func(w *watching) {
		w.want("first", w.moves("slow/a", "x"), "s a")
		w.want("again", w.moves("slow/a", "x"))
		w.want("another device", w.moves("slow/b", "x"), "s b")
		time.Sleep(SeenEvery - time.Microsecond)
		w.want("just before it is time", w.moves("slow/a", "x"))
		time.Sleep(time.Microsecond)
		w.want("in time", w.moves("slow/a", "x"), "s a")
		w.want("and no more", w.moves("slow/a", "x"))
		w.want("a route with silent_after, seen just now", w.moves("fast/a", "x"), "s a")
		w.want("and again", w.moves("fast/a", "x"))
		time.Sleep(5 * time.Second)
		g := w.build([]Delivery{w.message("fast/a", "x")})
		want := []Move{{Kind: MoveSeen, Device: "a", At: w.keeper.Now(), Silent: (20 * time.Second).Microseconds()}}
		if diff := cmp.Diff(want, g.Moves); diff != "" {
			t.Errorf("moves (-want +got):\n%s", diff)
		}
	})
}

func TestWatcher_AfterAWillOrAConnectTheNextReadingCounts(t *testing.T) {
	watch(t, watchingMux(), func(w *watching) {
		w.want("first", w.moves("slow/a", "x"), "s a")
		for _, topic := range []string{"lwt", "lwt/a", "connect", "connect/a"} {
			kind := topic[:1]
			if kind == "l" {
				kind = "w"
			}
			w.want(topic, w.moves(topic, "a"), kind+" a")
			w.want("reading after "+topic, w.moves("slow/a", "x"), "s a")
			w.want("and the next", w.moves("slow/a", "x"))
		}
		g := w.build([]Delivery{
			w.message("slow/a", "x"), w.message("lwt", "a"), w.message("slow/a", "x"), w.message("fast", "a:x"), w.message("connect", "a"), w.message("lwt", "b"),
		})
		w.want("in one group, in order", movesOf(g), "w a", "s a", "s a", "c a", "w b") // the second reading is of a route with another silent_after
	})
}

func TestWatcher_NewSessionRemembersNobody(t *testing.T) {
	watch(t, watchingMux(), func(w *watching) {
		w.want("first", w.moves("slow/a", "x"), "s a")
		w.begin(Lease{Session: "s", Token: "13-token"}, 2000)
		w.want("first of the next session", w.moves("slow/a", "x"), "s a")
	})
}

func TestWatcher_WhoSentAReading(t *testing.T) {
	long := strings.Repeat("n", MaxName+1)
	for _, tt := range []struct {
		name, topic, payload string
		want                 string // device, "" for nobody
	}{
		{"the topic names it", "slow/a", "x", "a"},
		{"the payload names it", "fast", "a:x", "a"},
		{"the topic, before the payload", "fast/a", "b:x", "a"},
		{"a topic that names nobody", "fast/not a name", "a:x", "a"},
		{"an empty level", "fast/", "a:x", "a"},
		{"neither", "fast", "x", ""},
		{"no name in topic and no way to tell", "plain", "a:x", ""},
		{"no valid name in topic and no way to tell", "slow/not a name", "a:x", ""},
		{"empty name in the payload", "fast", ":x", ""},
		{"no valid name in the payload", "fast", "not a name:x", ""},
		{"too long a name in the payload", "fast", long + ":x", ""},
		{"a payload that is not text", "fast", "\xff\x00:x", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watch(t, watchingMux(), func(w *watching) {
				g := w.build([]Delivery{w.message(tt.topic, tt.payload)})
				var want []string
				if tt.want != "" {
					want = []string{"s " + tt.want}
				}
				w.want(tt.topic, movesOf(g), want...)
				if len(g.Parts) != 1 || g.Parts[0].Frame.Count != 1 || len(g.Dead) != 0 {
					t.Errorf("got %+v, want the reading in its queue whoever sent it", g)
				}
			})
		})
	}
}

func TestWatcher_WhatIsNotStoredIsNoSighting(t *testing.T) {
	watch(t, watchingMux(), func(w *watching) {
		filter := func(topic string) uint32 {
			_, i := w.mux.Match(topic)
			return uint32(i) + 1
		}
		old := w.message("slow/redelivered", "x")
		w.begin(Lease{Token: "14-token", Delivered: []Delivered{{old.PacketID, hashOf(old.Topic, old.Payload)}}}, 2000)
		old.Dup = true
		retained, overlap := w.message("slow/retained", "x"), w.message("slow/overlap", "x")
		retained.Retain, overlap.Subscriptions = true, []uint32{filter("fast/x")}
		large := w.message("slow/large", strings.Repeat("x", MaxPayload+1))
		oldWill, retainedWill, overlapWill := w.message("lwt", "redelivered"), w.message("lwt/retained", "retained"), w.message("connect/overlap", "overlap")
		w.seen[oldWill.PacketID] = hashOf(oldWill.Topic, oldWill.Payload)
		oldWill.Dup, retainedWill.Retain, overlapWill.Subscriptions = true, true, []uint32{filter("fast/x")}
		g := w.build([]Delivery{old, retained, overlap, large, oldWill, retainedWill, overlapWill})
		w.want("of all", movesOf(g))
		want := []Drop{
			{"slow/{device}", DropRedelivery, 1},
			{"slow/{device}", DropRetained, 1},
			{"slow/{device}", DropOverlap, 1},
			{AccountPresence, DropRedelivery, 1},
			{AccountPresence, DropRetained, 1},
			{AccountPresence, DropOverlap, 1},
		}
		if diff := cmp.Diff(want, g.Drops); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
		if len(g.Dead) != 1 || g.Dead[0].Reason != ReasonTooLarge {
			t.Errorf("dead letters %+v", g.Dead)
		}
		for _, topic := range []string{"slow/redelivered", "slow/retained", "slow/overlap", "slow/large"} {
			w.want("what is stored then", w.moves(topic, "y"), "s "+topic[len("slow/"):])
		}
	})
}

// A message that is sent again and was never recorded counts, though it says DUP.
func TestWatcher_DupAloneIsAMove(t *testing.T) {
	watch(t, watchingMux(), func(w *watching) {
		will := w.message("lwt", "a")
		will.Dup = true
		g := w.build([]Delivery{will})
		w.want("will", movesOf(g), "w a")
		if len(g.Delivered) != 1 || g.Delivered[0] != (Delivered{will.PacketID, hashOf(will.Topic, will.Payload)}) {
			t.Errorf("recorded %+v, want it", g.Delivered)
		}
	})
}

func TestWatcher_MarkersOfThisSessionTellHowFarItIs(t *testing.T) {
	for _, tt := range []struct {
		name     string
		payloads []string
		want     int64
	}{
		{"none", nil, 0},
		{"one", []string{string(markPayload("12-token", 1_700_000_000_000_000))}, 1_700_000_000_000_000},
		{"the latest of several", []string{"12-token 5", "12-token 7", "12-token 6"}, 7},
		{"of an earlier session", []string{"11-token 5"}, 0},
		{"of another beside it", []string{"12-token 5", "11-token 9"}, 5},
		{"token only", []string{"12-token"}, 0},
		{"without a number", []string{"12-token ", "12-token x", "12-token 5 6", "12-token 0x7"}, 0},
		{"too large a number", []string{"12-token 9223372036854775808"}, 0},
		{"below 0", []string{"12-token -5"}, 0},
		{"empty", []string{""}, 0},
		{"number only", []string{"5", " 5"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watch(t, watchingMux(), func(w *watching) {
				var ds []Delivery
				for _, p := range tt.payloads {
					ds = append(ds, w.message("sluice/sync/here", p))
				}
				g := w.build(ds)
				if g.CaughtUp != tt.want {
					t.Errorf("caught up to %d, want %d", g.CaughtUp, tt.want)
				}
				if len(g.Parts)+len(g.Drops)+len(g.Dead)+len(g.Moves)+len(g.Delivered) != 0 {
					t.Errorf("got %+v, want nothing stored of a marker", g)
				}
				if g = w.build(nil); g.CaughtUp != 0 {
					t.Errorf("the next group says caught up to %d", g.CaughtUp)
				}
			})
		})
	}
}

// Without presence the topics of markers and uptimes are like any other.
func TestGrouper_WithoutPresenceKnowsNoMarkers(t *testing.T) {
	t.Parallel()
	gr := newTestGrouper(testMux("a"))
	g := gr.build([]Delivery{{Topic: []byte(TopicUptime), Payload: []byte("5 seconds")}, {Topic: []byte("sluice/sync/here"), Payload: []byte("t 5"), QoS: 1}})
	if g.CaughtUp != 0 || len(g.Parts)+len(g.Moves) != 0 {
		t.Errorf("got %+v", g)
	}
}

func TestWatcher_Uptimes(t *testing.T) {
	for _, tt := range []struct {
		payload string
		retain  bool
		want    time.Duration // below 0: none
	}{
		{"12 seconds", false, 12 * time.Second},
		{"0 seconds", false, 0},
		{"3600 seconds", true, time.Hour},
		{"12", false, 12 * time.Second},
		{"4294967295 seconds", false, 4294967295 * time.Second},
		{"4294967296 seconds", false, -1},
		{"-12 seconds", false, -1},
		{"1.5 seconds", false, -1},
		{" 12 seconds", false, -1},
		{"garbage", false, -1},
		{"", false, -1},
		{"\xff\x00 seconds", true, -1},
	} {
		t.Run(fmt.Sprintf("%q", tt.payload), func(t *testing.T) {
			watch(t, watchingMux(), func(w *watching) {
				d := w.message(TopicUptime, tt.payload)
				d.QoS, d.PacketID, d.Retain = 0, 0, tt.retain
				time.Sleep(3 * time.Second) // until the group is made
				g := w.build([]Delivery{d})
				var want []notedUptime
				if tt.want >= 0 {
					want = []notedUptime{{tt.want, w.keeper.Now() - 3_000_000, tt.retain}}
				}
				if diff := cmp.Diff(want, w.keeper.uptimes, cmp.AllowUnexported(notedUptime{})); diff != "" {
					t.Errorf("uptimes (-want +got):\n%s", diff)
				}
				if len(g.Parts)+len(g.Drops)+len(g.Dead)+len(g.Moves)+len(g.Delivered) != 0 {
					t.Errorf("got %+v, want nothing stored of an uptime", g)
				}
			})
		})
	}
}

func TestWatcher_MovesAreOfWhenTheirMessageCame(t *testing.T) {
	for _, tt := range []struct {
		name string
		ago  time.Duration // by the router's clock, when it was received
		want time.Duration // ago, of the move
	}{
		{"just now", 0, 0},
		{"before the last append failed for a while", 5 * time.Minute, 5 * time.Minute},
		{"longest ago that is believed", 10 * time.Minute, 10 * time.Minute},
		{"before the router's clock jumped forward", time.Hour, 10 * time.Minute},
		{"before the router's clock jumped back", -time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watch(t, watchingMux(), func(w *watching) {
				var ds []Delivery
				for _, d := range []Delivery{w.message("connect", "a"), w.message("lwt", "b"), w.message("slow/c", "x")} {
					d.Received -= tt.ago.Microseconds()
					ds = append(ds, d)
				}
				at := w.keeper.Now() - tt.want.Microseconds()
				want := []Move{
					{Kind: MoveConnect, Device: "a", At: at, Delay: 7},
					{Kind: MoveWill, Device: "b", At: at, Delay: 7},
					{Kind: MoveSeen, Device: "c", At: at},
				}
				if diff := cmp.Diff(want, w.build(ds).Moves); diff != "" {
					t.Errorf("moves (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestSilentAtFirst_HoldsWhoWasNeverSeen(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name   string
		routes []time.Duration // silent_after
		want   int64           // of a connect's move
	}{
		{"no routes", nil, -1},
		{"none has it", []time.Duration{0, 0}, -1},
		{"some have it: it may be silent on the other", []time.Duration{20 * s, 0}, 0},
		{"one, which has it", []time.Duration{20 * s}, 20_000_000},
		{"all have it: the longest", []time.Duration{20 * s, 60 * s, 5 * s}, 60_000_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMux()
			m.WatchPresence()
			for i, silent := range tt.routes {
				m.Add(Route{Topics: []string{fmt.Sprint("r", i)}, Handler: HandlerFunc(nil), SilentAfter: silent})
			}
			watch(t, m, func(w *watching) {
				if got := silentAtFirst(m.Routes()); got != tt.want {
					t.Errorf("got %d, want %d", got, tt.want)
				}
				g := w.build([]Delivery{w.message("connect", "a"), w.message("lwt", "a")})
				if len(g.Moves) != 2 || g.Moves[0].Silent != tt.want || g.Moves[1].Silent != 0 {
					t.Errorf("moves %+v, want the connect to say %d", g.Moves, tt.want)
				}
			})
		})
	}
}

func TestGrouper_BadMessageOnAReservedTopicIsADeadLetter(t *testing.T) {
	watch(t, watchingMux(), func(w *watching) {
		g := w.build([]Delivery{w.message("connect", "bad"), w.message("lwt/dev-1", "bad"), w.message("connect/not a name", "bad"), w.message("lwt", "good")})
		w.want("of the good one", movesOf(g), "w good")
		now := time.Now()
		want := []DeadLetter{
			{Route: AccountPresence, Topic: "connect", Payload: []byte("bad"), Received: now, Reason: ReasonDecode, Detail: "it is bad", At: now},
			{Route: AccountPresence, Topic: "lwt/dev-1", Device: "dev-1", Payload: []byte("bad"), Received: now, Reason: ReasonDecode, Detail: "it is bad", At: now},
			{Route: AccountPresence, Topic: "connect/not a name", Device: "not a name", Payload: []byte("bad"), Received: now, Reason: ReasonDecode, Detail: "it is bad", At: now},
		}
		if diff := cmp.Diff(want, g.Dead); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"", "dev-1", "not a name", ""}, w.keeper.read); diff != "" {
			t.Errorf("names in the topics (-want +got):\n%s", diff)
		}
		if len(g.Delivered) != 4 || len(g.Parts) != 0 {
			t.Errorf("got %+v, want all of them recorded and none in a queue", g)
		}
	})
}

func TestGrouper_ReservedTopicsBelongToNoRoute(t *testing.T) {
	m := NewMux()
	m.WatchPresence()
	m.Handle("#", Policy{}, HandlerFunc(nil))
	m.Handle("+/{device}", Policy{}, HandlerFunc(nil))
	watch(t, m, func(w *watching) {
		for _, tt := range []struct {
			topic string
			moves []string
			parts int
		}{
			{"connect", []string{"c a"}, 0},
			{"connect/a", []string{"c a"}, 0},
			{"lwt/a", []string{"w a"}, 0},
			{"connect/a/b", nil, 1},
			{"data/a", []string{"s a"}, 1},
			{"sluice/sync/here", nil, 0},
			{"sluice/sync/there", nil, 1},
		} {
			g := w.build([]Delivery{w.message(tt.topic, "a")})
			w.want(tt.topic, movesOf(g), tt.moves...)
			if len(g.Parts) != tt.parts {
				t.Errorf("%s: %d parts, want %d", tt.topic, len(g.Parts), tt.parts)
			}
			time.Sleep(SeenEvery)
		}
		want := []string{"connect", "connect/+", "lwt", "lwt/+", "+/+", "#", "sluice/sync/here", TopicUptime}
		got := w.subscriptions()
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("subscriptions (-want +got):\n%s", diff)
		}
	})
}

func TestGrouper_DevicesAboveTheLimit(t *testing.T) {
	watch(t, watchingMux(), func(w *watching) {
		ds := []Delivery{
			w.message("connect", "a"), w.message("lwt/b", "b"), w.message("slow/c", "x"), w.message("connect", "bad"), w.message("lwt", "d"), w.message("fast", "e:x"),
			w.message("connect", "a"),
		}
		g := w.build(ds)
		w.want("of all", movesOf(g), "c a", "w b", "s c", "w d", "s e", "c a")
		number := g.Number
		w.limit(ds, &DeviceLimitError{Moves: []int{1, 2, 3}})
		w.want("of those within the limit", movesOf(g), "c a", "s e", "c a")
		w.limit(ds, &DeviceLimitError{Moves: []int{0, 2}}) // the store thinks again
		w.want("of those within the limit then", movesOf(g), "s e")
		var got []string
		for _, d := range g.Dead {
			got = append(got, d.Reason+" "+d.Route+" "+d.Topic+" "+d.Device)
		}
		want := []string{
			"decode $presence connect ", "device_limit $presence lwt/b b", "device_limit $presence lwt d",
			"device_limit $presence connect a", "device_limit $presence connect a",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		if g.Number != number || len(g.Parts) != 2 || len(g.Delivered) != len(ds) {
			t.Errorf("got %+v, want the same group with both readings", g)
		}
	})
}

func TestGrouper_WithPresenceAllocatesNothingPerReading(t *testing.T) {
	m := NewMux()
	m.WatchPresence()
	m.Add(Route{Topics: []string{"data/sensor/{device}"}, Handler: HandlerFunc(nil), SilentAfter: time.Hour})
	m.Add(Route{Topics: []string{"data/sensor"}, Handler: HandlerFunc(nil), Identify: func(p []byte) []byte { return p[:7] }})
	for _, topic := range []string{"data/sensor/device-%03d", "data/sensor"} {
		gr := newGrouper(m, &noted{}, nobody{}, slog.New(slog.DiscardHandler))
		gr.begin(Lease{}, 2000)
		ds := readings(100, 100)
		for i := range ds {
			ds[i].Topic, ds[i].Subscriptions, ds[i].Received = []byte(topic), nil, time.Now().UnixMicro()
		}
		gr.build(ds)
		if n := testing.AllocsPerRun(100, func() { gr.build(ds) }); n != 0 {
			t.Errorf("%s: %v allocations for a group of 100 messages, want 0", topic, n)
		}
	}
}
