package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"

	"sluice"
	pb "sluice/gen/sluicev1"
	"sluice/store"
)

func devicesBatches(t *testing.T, s Store) {
	wasDown := func(down int64) func(*DeviceRow) {
		return func(r *DeviceRow) { r.Down, r.Cause = Micros(down), "lwt" }
	}
	type batch = []*pb.PresenceEvent
	for i, tc := range []struct {
		name    string
		batches []batch
		want    Tables
	}{
		{"nothing", []batch{{}}, Tables{}},
		{
			"every column of a device",
			[]batch{{Event(Changed, "a", 7, 3, func(e *pb.PresenceEvent) {
				e.State, e.Flap = pb.PresenceState_PRESENCE_STATE_SUSPECT, pb.PresenceFlap_PRESENCE_FLAP_GOES_ON
				e.Cause, e.Generation = pb.PresenceCause_PRESENCE_CAUSE_GRACE, 9
				e.ConnectedAt, e.SeenAt, e.LostAt, e.MutedUntil = Micros(1), Micros(2), Micros(4), Micros(5)
			})}},
			Tables{Devices: []DeviceRow{{
				Device: "a", State: "suspect", Generation: 9, Connected: Micros(1), Seen: Micros(2), Lost: Micros(4), Down: Micros(3),
				Cause: "grace", Flapping: true, Muted: Micros(5), Version: 7,
			}}},
		},
		{
			"the newest of a batch, the later of two with one version",
			[]batch{{
				Event(Changed, "a", 5, 0, nil), Event(Changed, "b", 2, 0, nil), Event(Changed, "b", 1, 0, nil),
				Event(Changed, "a", 5, 0, func(e *pb.PresenceEvent) { e.Generation = 50 }), Event(Changed, "a", 4, 0, nil),
			}},
			Tables{Devices: []DeviceRow{upRow("a", 5, func(r *DeviceRow) { r.Generation = 50 }), upRow("b", 2, nil)}},
		},
		{
			"an outage lasts",
			[]batch{{Event(Fell, "a", 10, 10, nil)}, {Event(Fell, "a", 10, 10, nil)}},
			Tables{Devices: []DeviceRow{downRow("a", 10, 10)}, Outages: []OutageRow{lasting("a", 10)}},
		},
		{
			"every column of an outage",
			[]batch{{Event(Fell, "a", 10, 10, func(e *pb.PresenceEvent) {
				e.Cause, e.Muted, e.Flap = pb.PresenceCause_PRESENCE_CAUSE_SILENT, true, pb.PresenceFlap_PRESENCE_FLAP_BEGAN
			})}, {Event(Changed, "a", 11, 10, nil), reportOf("a", 10, "chat", "r1")}},
			Tables{
				Devices: []DeviceRow{upRow("a", 11, func(r *DeviceRow) { r.Down, r.Cause = Micros(10), "silent" })},
				Outages: []OutageRow{{
					Device: "a", Down: Micros(10), Lost: Micros(5), Cause: "silent", Muted: true, Flap: "began", Reports: []string{"chat:r1"},
				}},
			},
		},
		{
			"outage and recovery in one batch",
			[]batch{{Event(Fell, "a", 10, 10, nil), Event(CameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.LostAt = Micros(5) })}},
			Tables{Devices: []DeviceRow{upRow("a", 20, wasDown(10))}, Outages: []OutageRow{over("a", 10, 20, "connect")}},
		},
		{
			"outage and recovery in two batches",
			[]batch{
				{Event(Fell, "a", 10, 10, nil)},
				{Event(CameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.Cause = pb.PresenceCause_PRESENCE_CAUSE_DATA })},
			},
			Tables{Devices: []DeviceRow{upRow("a", 20, wasDown(10))}, Outages: []OutageRow{over("a", 10, 20, "data")}},
		},
		{
			"the first end stays, and nothing reopens an outage",
			[]batch{
				{Event(Fell, "a", 10, 10, nil), Event(CameBack, "a", 20, 10, nil), Event(CameBack, "a", 21, 10, nil)},
				{Event(CameBack, "a", 22, 10, nil), Event(Fell, "a", 10, 10, nil), Event(CameBack, "a", 23, 10, nil)},
			},
			Tables{Devices: []DeviceRow{upRow("a", 23, wasDown(10))}, Outages: []OutageRow{over("a", 10, 20, "connect")}},
		},
		{
			"recovery without outage",
			[]batch{{Event(CameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.LostAt, e.Muted = Micros(4), true })}},
			Tables{
				Devices: []DeviceRow{upRow("a", 20, func(r *DeviceRow) { r.Down = Micros(10) })},
				Outages: []OutageRow{{Device: "a", Down: Micros(10), Up: Micros(20), Lost: Micros(4), Recovery: "connect", Muted: true}},
			},
		},
		{
			"the outage after its recovery tells the cause",
			[]batch{{Event(CameBack, "a", 20, 10, nil)}, {Event(Fell, "a", 10, 10, nil)}},
			Tables{
				Devices: []DeviceRow{upRow("a", 20, func(r *DeviceRow) { r.Down = Micros(10) })},
				Outages: []OutageRow{over("a", 10, 20, "connect")},
			},
		},
		{
			"a recovery in words of the future",
			[]batch{{
				Event(Fell, "a", 10, 10, func(e *pb.PresenceEvent) { e.Cause = 99 }),
				Event(CameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.Cause, e.Flap = 98, 97 }),
			}},
			Tables{
				Devices: []DeviceRow{upRow("a", 20, func(r *DeviceRow) { r.Down, r.Flapping = Micros(10), true })},
				Outages: []OutageRow{{Device: "a", Down: Micros(10), Up: Micros(20), Lost: Micros(5), Recovery: "unknown"}},
			},
		},
		{
			"the next outage ends one that nobody ended",
			[]batch{
				{Event(Fell, "a", 10, 10, nil), Event(Fell, "b", 10, 10, nil)},
				{Event(Fell, "a", 30, 30, nil), Event(Fell, "a", 50, 50, nil)},
			},
			Tables{
				Devices: []DeviceRow{downRow("a", 50, 50), downRow("b", 10, 10)},
				Outages: []OutageRow{over("a", 10, 30, "lost"), over("a", 30, 50, "lost"), lasting("a", 50), lasting("b", 10)},
			},
		},
		{
			"what was taken for lost is told late",
			[]batch{{Event(Fell, "a", 30, 30, nil)}, {Event(Fell, "a", 10, 10, nil)}, {Event(CameBack, "a", 20, 10, nil)}},
			Tables{
				Devices: []DeviceRow{downRow("a", 30, 30)},
				Outages: []OutageRow{over("a", 10, 20, "connect"), lasting("a", 30)},
			},
		},
		{
			"reports, each once, and none of an outage that is not there",
			[]batch{
				{Event(Fell, "a", 10, 10, nil), reportOf("a", 10, "chat", "r1"), reportOf("a", 99, "chat", "r1"), reportOf("z", 10, "chat", "r1")},
				{reportOf("a", 10, "hook", "r2"), reportOf("a", 10, "chat", "r1"), reportOf("a", 10, "chat", "r3"), reportOf("a", 10, "hook", "r2")},
			},
			Tables{
				Devices: []DeviceRow{downRow("a", 10, 10)},
				Outages: []OutageRow{func() OutageRow {
					o := lasting("a", 10)
					o.Reports = []string{"chat:r1", "hook:r2", "chat:r3"}
					return o
				}()},
			},
		},
		{
			"forgotten while it is down",
			[]batch{{Event(Fell, "a", 10, 10, nil), Event(Fell, "b", 10, 10, nil)}, {Event(Forgotten, "a", 12, 0, nil)}},
			Tables{Devices: []DeviceRow{downRow("b", 10, 10)}, Outages: []OutageRow{over("a", 10, 12, "forgotten"), lasting("b", 10)}},
		},
		{
			"forgotten by something older than what is known",
			[]batch{{Event(Fell, "a", 10, 10, nil), Event(Forgotten, "a", 9, 0, nil)}, {Event(Forgotten, "a", 8, 0, nil)}},
			Tables{Devices: []DeviceRow{downRow("a", 10, 10)}, Outages: []OutageRow{lasting("a", 10)}},
		},
		{
			"forgotten and known again, with a lower version, in one batch",
			[]batch{{
				Event(Fell, "a", 10, 10, nil), Event(Forgotten, "a", 100, 0, nil), Event(Changed, "a", 50, 0, nil),
				Event(Fell, "a", 60, 60, nil), Event(Forgotten, "b", 5, 0, nil),
			}},
			Tables{Devices: []DeviceRow{downRow("a", 60, 60)}, Outages: []OutageRow{over("a", 10, 100, "forgotten"), lasting("a", 60)}},
		},
		{
			"Steady keeps the cause",
			[]batch{
				{Event(Fell, "a", 10, 10, func(e *pb.PresenceEvent) { e.Flap = pb.PresenceFlap_PRESENCE_FLAP_GOES_ON })},
				{Event(Steady, "a", 20, 10, func(e *pb.PresenceEvent) { e.State = pb.PresenceState_PRESENCE_STATE_DOWN })},
			},
			Tables{
				Devices: []DeviceRow{upRow("a", 20, func(r *DeviceRow) { r.State, r.Down, r.Cause = "down", Micros(10), "lwt" })},
				Outages: []OutageRow{func() OutageRow { o := lasting("a", 10); o.Flap = "goes_on"; return o }()},
			},
		},
		{
			"restarts of the broker",
			[]batch{{Event(Restarted, "", 30, 25, nil), Event(Changed, "a", 1, 0, nil), Event(Restarted, "", 10, 0, nil)}, {Event(Restarted, "", 30, 0, nil)}},
			Tables{Devices: []DeviceRow{upRow("a", 1, nil)}, Restarts: []RestartRow{{Micros(10), 0}, {Micros(30), Micros(25)}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := s.NewDevices(int32(i))
			for _, events := range tc.batches {
				if bad := twice(t, d, PresenceBatch(events...)); len(bad) > 0 {
					t.Errorf("bad messages: %v", bad)
				}
			}
			WantTables(t, s, int32(i), tc.want)
		})
	}
}

func devicesAnyOrder(t *testing.T, s Store) {
	older := PresenceBatch(Event(Changed, "a", 1, 0, nil), Event(Fell, "b", 10, 10, nil), Event(Fell, "c", 10, 10, nil), Event(Changed, "d", 3, 0, nil))
	newer := PresenceBatch(Event(Changed, "a", 2, 0, nil), Event(CameBack, "b", 20, 10, func(e *pb.PresenceEvent) {
		e.LostAt = Micros(5)
	}), Event(Fell, "c", 30, 30, nil), Event(Changed, "d", 4, 0, nil))
	want := Tables{
		Devices: []DeviceRow{upRow("a", 2, nil), upRow("b", 20, func(r *DeviceRow) { r.Down = Micros(10) }), downRow("c", 30, 30), upRow("d", 4, nil)},
		Outages: []OutageRow{over("b", 10, 20, "connect"), over("c", 10, 30, "lost"), lasting("c", 30)},
	}
	for i, order := range [][]*sluice.Batch{{older, newer, older}, {newer, older, newer}} {
		d := s.NewDevices(int32(i))
		for _, b := range order {
			again := *b
			again.ID = sluice.NewBatchID() // of this facility
			WantOutcome(t, d.Handle(t.Context(), &again), 0)
		}
		if i == 0 { // only in order is the cause known
			want.Devices[1].Cause = "lwt"
		} else {
			want.Devices[1].Cause = ""
		}
		WantTables(t, s, int32(i), want)
	}
}

func devicesBad(t *testing.T, s Store) {
	d := s.NewDevices(1)
	good := Event(Changed, "good", 1, 0, nil)
	b := PresenceBatch(good)
	var want []sluice.BadMessage
	add := func(reason, device string, e *pb.PresenceEvent) {
		want = append(want, sluice.BadMessage{Index: len(b.Messages), Reason: reason, Device: device})
		b.Messages = append(b.Messages, PresenceBatch(e).Messages...)
	}
	long := strings.Repeat("n", 65)
	for _, name := range []string{"", "-a", "a b", "日", "a\x00", "'; DROP TABLE data.device --", long} {
		for _, kind := range []pb.PresenceKind{Changed, Fell, CameBack, Steady, Reported, Forgotten} {
			add(sluice.ReasonDeviceName, store.ShortText(name), Event(kind, name, 1, 1, nil))
		}
	}
	for _, kind := range []pb.PresenceKind{0, 8, -1} {
		add(sluice.ReasonDecode, "a", Event(kind, "a", 1, 0, nil))
	}
	for _, state := range []pb.PresenceState{0, 4, -1} {
		for _, kind := range []pb.PresenceKind{Changed, Fell, CameBack, Steady} {
			add(sluice.ReasonDecode, "a", Event(kind, "a", 1, 1, func(e *pb.PresenceEvent) { e.State = state }))
		}
	}
	for _, kind := range []pb.PresenceKind{Fell, CameBack, Reported} {
		add(sluice.ReasonDecode, "a", Event(kind, "a", 1, 0, nil))
	}
	for _, kind := range []pb.PresenceKind{CameBack, Forgotten, Restarted} {
		add(sluice.ReasonDecode, "a", Event(kind, "a", 1, 1, func(e *pb.PresenceEvent) { e.At = 0 }))
	}
	for _, at := range []int64{-1, math.MinInt64, math.MaxInt64, store.MaxTime + 1} {
		for _, set := range []func(*pb.PresenceEvent){
			func(e *pb.PresenceEvent) { e.At = at },
			func(e *pb.PresenceEvent) { e.ConnectedAt = at },
			func(e *pb.PresenceEvent) { e.SeenAt = at },
			func(e *pb.PresenceEvent) { e.LostAt = at },
			func(e *pb.PresenceEvent) { e.DownAt = at },
			func(e *pb.PresenceEvent) { e.MutedUntil = at },
		} {
			add(sluice.ReasonDecode, "a", Event(Fell, "a", 1, 1, set))
		}
	}
	for _, p := range [][]byte{{0xff}, protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "a\xff"), {0x12, 9, 'a'}} {
		want = append(want, sluice.BadMessage{Index: len(b.Messages), Reason: sluice.ReasonDecode})
		b.Messages = append(b.Messages, Message(p))
	}
	b.Messages = append(b.Messages, PresenceBatch(Event(Changed, "last", 2, 0, nil)).Messages...)
	WantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	WantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	WantTables(t, s, 1, Tables{Devices: []DeviceRow{upRow("good", 1, nil), upRow("last", 2, nil)}})
}

func devicesHostile(t *testing.T, s Store) {
	d := s.NewDevices(1)
	name := strings.Repeat("N", 64)
	hostile := "a\x00\"'\\{},NULL\n\u202e" + strings.Repeat("日", 20000)
	extreme := func(e *pb.PresenceEvent) {
		e.Version, e.Generation, e.Outages, e.Alive = math.MaxInt64, math.MinInt64, math.MinInt32, -1
		e.At, e.ConnectedAt, e.SeenAt, e.LostAt, e.DownAt, e.MutedUntil = store.MaxTime, 1, store.MaxTime, 1, store.MaxTime, store.MaxTime
	}
	WantOutcome(t, d.Handle(t.Context(), PresenceBatch(
		Event(Fell, name, 1, 1, extreme),
		Event(Reported, name, 1, 1, func(e *pb.PresenceEvent) { e.DownAt, e.Receiver, e.Report = store.MaxTime, hostile, "" }),
		Event(Restarted, hostile, 0, 0, func(e *pb.PresenceEvent) { e.At = store.MaxTime }),
		Event(Changed, "old", math.MinInt64, 0, func(e *pb.PresenceEvent) { e.At, e.Generation = 0, 0 }),
	)), 0)
	WantTables(t, s, 1, Tables{
		Devices: []DeviceRow{
			{Device: name, State: "down", Generation: math.MinInt64, Connected: 1, Seen: store.MaxTime, Lost: 1, Down: store.MaxTime, Cause: "lwt", Muted: store.MaxTime, Version: math.MaxInt64},
			{Device: "old", State: "up", Version: math.MinInt64},
		},
		Outages:  []OutageRow{{Device: name, Down: store.MaxTime, Lost: 1, Cause: "lwt", Reports: []string{store.Text(hostile) + ":"}}},
		Restarts: []RestartRow{{store.MaxTime, 0}},
	})
}

func devicesFacilities(t *testing.T, s Store) {
	one, two := s.NewDevices(1), s.NewDevices(2)
	WantOutcome(t, one.Handle(t.Context(), PresenceBatch(Event(Fell, "a", 10, 10, nil), Event(Restarted, "", 5, 0, nil))), 0)
	WantOutcome(t, two.Handle(t.Context(), PresenceBatch(Event(Fell, "a", 30, 30, nil), reportOf("a", 10, "chat", "r"))), 0)
	WantOutcome(t, two.Handle(t.Context(), PresenceBatch(Event(Forgotten, "a", 40, 0, nil))), 0)
	WantTables(t, s, 1, Tables{Devices: []DeviceRow{downRow("a", 10, 10)}, Outages: []OutageRow{lasting("a", 10)}, Restarts: []RestartRow{{Micros(5), 0}}})
	WantTables(t, s, 2, Tables{Outages: []OutageRow{over("a", 30, 40, "forgotten")}})
}

// Batches of many writers that have the same devices in opposite orders.
func devicesManyWriters(t *testing.T, s Store) {
	d := s.NewDevices(1)
	const devices, writers = 50, 8
	var want Tables
	var waiting []<-chan error
	for w := range int64(writers) {
		var events []*pb.PresenceEvent
		for i := range devices {
			events = append(events, Event(Fell, fmt.Sprintf("d%02d", i), (w+1)*10, (w+1)*10, nil))
		}
		if w%2 == 1 {
			slices.Reverse(events)
		}
		waiting = append(waiting, Handle(t.Context(), d, PresenceBatch(events...)))
	}
	for _, done := range waiting {
		WantOutcome(t, <-done, 0)
	}
	for i := range devices {
		name := fmt.Sprintf("d%02d", i)
		want.Devices = append(want.Devices, downRow(name, writers*10, writers*10))
		for w := range int64(writers - 1) {
			want.Outages = append(want.Outages, over(name, (w+1)*10, (w+2)*10, "lost"))
		}
		want.Outages = append(want.Outages, lasting(name, writers*10))
	}
	got, err := s.Tables(t.Context(), 1)
	must(t, err)
	for i := range got.Outages { // whoever comes first ends it by the next that it sees
		if got.Outages[i].Recovery == "lost" {
			got.Outages[i].Up = want.Outages[i].Up
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// twice lets h handle b two times, both of which must answer alike, and returns the bad
// messages.
func twice(t testing.TB, h sluice.Handler, b *sluice.Batch) []sluice.BadMessage {
	t.Helper()
	first, second := h.Handle(t.Context(), b), h.Handle(t.Context(), b)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two attempts (-first +second):\n%s", diff)
	}
	partly, ok := errors.AsType[*sluice.BatchError](first)
	if first != nil && !ok {
		t.Error(first)
	}
	if !ok {
		return nil
	}
	return partly.Bad
}
