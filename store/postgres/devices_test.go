package postgres

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sluice"
	pb "sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/sluicetest"
	"sluice/store"
)

// Short names for the kinds of events.
const (
	changed   = pb.PresenceKind_PRESENCE_KIND_CHANGED
	fell      = pb.PresenceKind_PRESENCE_KIND_OUTAGE
	cameBack  = pb.PresenceKind_PRESENCE_KIND_RECOVERY
	steady    = pb.PresenceKind_PRESENCE_KIND_STEADY
	restarted = pb.PresenceKind_PRESENCE_KIND_BROKER_RESTART
	reported  = pb.PresenceKind_PRESENCE_KIND_REPORTED
	forgotten = pb.PresenceKind_PRESENCE_KIND_FORGOTTEN
)

// us is the time of n microseconds after epoch0: of events n is small.
func us(n int64) int64 { return epoch0*1_000_000 + n }

// event returns an event of that kind and version, complete for its kind, to
// which change adds. Its outage began at down (0: none), in steps of us.
func event(kind pb.PresenceKind, device string, version, down int64, change func(*pb.PresenceEvent)) *pb.PresenceEvent {
	e := &pb.PresenceEvent{Kind: kind, Device: device, Version: version, At: us(version), Generation: version}
	if down != 0 {
		e.DownAt = us(down)
	}
	e.State = pb.PresenceState_PRESENCE_STATE_UP
	switch kind {
	case fell:
		e.State, e.Cause, e.LostAt = pb.PresenceState_PRESENCE_STATE_DOWN, pb.PresenceCause_PRESENCE_CAUSE_LWT, us(down-5)
	case cameBack:
		e.Cause = pb.PresenceCause_PRESENCE_CAUSE_CONNECT
	case reported:
		e.Receiver, e.Report = "chat", "r1"
	}
	if change != nil {
		change(e)
	}
	return e
}

func reportOf(device string, down int64, receiver, id string) *pb.PresenceEvent {
	return event(reported, device, 0, down, func(e *pb.PresenceEvent) { e.Receiver, e.Report = receiver, id })
}

// presenceBatch is a batch of the queue of devices.
func presenceBatch(events ...*pb.PresenceEvent) *sluice.Batch {
	b := &sluice.Batch{ID: sluice.NewBatchID(), Route: sluice.QueueDevices, Attempt: 1}
	for _, e := range events {
		p, err := proto.Marshal(e)
		if err != nil {
			panic(err)
		}
		b.Messages = append(b.Messages, message(p))
	}
	return b
}

func newDevices(t testing.TB) (*Devices, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t)
	id, err := Facility(t.Context(), pool, "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	return NewDevices(pool, id), pool
}

// deviceRow and outageRow are rows as the tests compare them: times as Unix
// microseconds, 0 for null.
type deviceRow struct {
	Device, State                           string
	Generation, Connected, Seen, Lost, Down int64
	Cause                                   string
	Flapping                                bool
	Muted, Version                          int64
}

type outageRow struct {
	Device          string
	Down, Up, Lost  int64
	Cause, Recovery string
	Muted           bool
	Flap            string
	Reports         []string
}

type restartRow struct{ At, Started int64 }

// tables is all that a facility has of devices, in the order of their keys.
type tables struct {
	Devices  []deviceRow
	Outages  []outageRow
	Restarts []restartRow
}

// readTables returns what the sink of a facility has written.
func readTables(t testing.TB, d *Devices) tables {
	t.Helper()
	return tables{
		Devices: readRows(t, d, pgx.RowToStructByPos[deviceRow], `SELECT device, state, generation, @connected_at, @seen_at,
			@lost_at, @down_at, cause, flapping, @muted_until, version FROM data.device WHERE facility_id = $1 ORDER BY device`),
		Outages: readRows(t, d, pgx.RowToStructByPos[outageRow], `SELECT device, @down_at, @up_at, @lost_at,
			cause, recovery, muted, flap, report_ids FROM data.outage WHERE facility_id = $1 ORDER BY device, data.outage.down_at`),
		Restarts: readRows(t, d, pgx.RowToStructByPos[restartRow], `SELECT @at, @started_at FROM data.broker_restart WHERE facility_id = $1 ORDER BY broker_restart.at`),
	}
}

var timeColumn = regexp.MustCompile(`@(\w+)`)

// readRows selects rows of the facility $1; @column is a time in microseconds.
func readRows[T any](t testing.TB, d *Devices, scan pgx.RowToFunc[T], sql string) []T {
	t.Helper()
	sql = timeColumn.ReplaceAllString(sql, "coalesce((extract(epoch FROM ${1}) * 1000000)::bigint, 0)")
	rows, _ := d.pool.Query(t.Context(), sql, d.facility)
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantTables checks what a sink has written.
func wantTables(t testing.TB, d *Devices, want tables) {
	t.Helper()
	if diff := cmp.Diff(want, readTables(t, d), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// upRow, downRow, lasting and over are the rows that event leads to.
func upRow(device string, version int64, change func(*deviceRow)) deviceRow {
	r := deviceRow{Device: device, State: "up", Generation: version, Version: version}
	if change != nil {
		change(&r)
	}
	return r
}

func downRow(device string, version, down int64) deviceRow {
	return upRow(device, version, func(r *deviceRow) { r.State, r.Down, r.Lost, r.Cause = "down", us(down), us(down-5), "lwt" })
}

func lasting(device string, down int64) outageRow {
	return outageRow{Device: device, Down: us(down), Lost: us(down - 5), Cause: "lwt"}
}

func over(device string, down, up int64, recovery string) outageRow {
	r := lasting(device, down)
	r.Up, r.Recovery = us(up), recovery
	return r
}

func TestDevices_WhatBatchesLeave(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	wasDown := func(down int64) func(*deviceRow) {
		return func(r *deviceRow) { r.Down, r.Cause = us(down), "lwt" }
	}
	type batch = []*pb.PresenceEvent
	for i, tc := range []struct {
		name    string
		batches []batch
		want    tables
	}{
		{"nothing", []batch{{}}, tables{}},
		{
			"every column of a device",
			[]batch{{event(changed, "a", 7, 3, func(e *pb.PresenceEvent) {
				e.State, e.Flap = pb.PresenceState_PRESENCE_STATE_SUSPECT, pb.PresenceFlap_PRESENCE_FLAP_GOES_ON
				e.Cause, e.Generation = pb.PresenceCause_PRESENCE_CAUSE_GRACE, 9
				e.ConnectedAt, e.SeenAt, e.LostAt, e.MutedUntil = us(1), us(2), us(4), us(5)
			})}},
			tables{Devices: []deviceRow{{
				Device: "a", State: "suspect", Generation: 9, Connected: us(1), Seen: us(2), Lost: us(4), Down: us(3),
				Cause: "grace", Flapping: true, Muted: us(5), Version: 7,
			}}},
		},
		{
			"the newest of a batch, the later of two with one version",
			[]batch{{
				event(changed, "a", 5, 0, nil), event(changed, "b", 2, 0, nil), event(changed, "b", 1, 0, nil),
				event(changed, "a", 5, 0, func(e *pb.PresenceEvent) { e.Generation = 50 }), event(changed, "a", 4, 0, nil),
			}},
			tables{Devices: []deviceRow{upRow("a", 5, func(r *deviceRow) { r.Generation = 50 }), upRow("b", 2, nil)}},
		},
		{
			"an outage lasts",
			[]batch{{event(fell, "a", 10, 10, nil)}, {event(fell, "a", 10, 10, nil)}},
			tables{Devices: []deviceRow{downRow("a", 10, 10)}, Outages: []outageRow{lasting("a", 10)}},
		},
		{
			"every column of an outage",
			[]batch{{event(fell, "a", 10, 10, func(e *pb.PresenceEvent) {
				e.Cause, e.Muted, e.Flap = pb.PresenceCause_PRESENCE_CAUSE_SILENT, true, pb.PresenceFlap_PRESENCE_FLAP_BEGAN
			})}, {event(changed, "a", 11, 10, nil), reportOf("a", 10, "chat", "r1")}},
			tables{
				Devices: []deviceRow{upRow("a", 11, func(r *deviceRow) { r.Down, r.Cause = us(10), "silent" })},
				Outages: []outageRow{{
					Device: "a", Down: us(10), Lost: us(5), Cause: "silent", Muted: true, Flap: "began", Reports: []string{"chat:r1"},
				}},
			},
		},
		{
			"outage and recovery in one batch",
			[]batch{{event(fell, "a", 10, 10, nil), event(cameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.LostAt = us(5) })}},
			tables{Devices: []deviceRow{upRow("a", 20, wasDown(10))}, Outages: []outageRow{over("a", 10, 20, "connect")}},
		},
		{
			"outage and recovery in two batches",
			[]batch{
				{event(fell, "a", 10, 10, nil)},
				{event(cameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.Cause = pb.PresenceCause_PRESENCE_CAUSE_DATA })},
			},
			tables{Devices: []deviceRow{upRow("a", 20, wasDown(10))}, Outages: []outageRow{over("a", 10, 20, "data")}},
		},
		{
			"the first end stays, and nothing reopens an outage",
			[]batch{
				{event(fell, "a", 10, 10, nil), event(cameBack, "a", 20, 10, nil), event(cameBack, "a", 21, 10, nil)},
				{event(cameBack, "a", 22, 10, nil), event(fell, "a", 10, 10, nil), event(cameBack, "a", 23, 10, nil)},
			},
			tables{Devices: []deviceRow{upRow("a", 23, wasDown(10))}, Outages: []outageRow{over("a", 10, 20, "connect")}},
		},
		{
			"recovery without outage",
			[]batch{{event(cameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.LostAt, e.Muted = us(4), true })}},
			tables{
				Devices: []deviceRow{upRow("a", 20, func(r *deviceRow) { r.Down = us(10) })},
				Outages: []outageRow{{Device: "a", Down: us(10), Up: us(20), Lost: us(4), Recovery: "connect", Muted: true}},
			},
		},
		{
			"the outage after its recovery tells the cause",
			[]batch{{event(cameBack, "a", 20, 10, nil)}, {event(fell, "a", 10, 10, nil)}},
			tables{
				Devices: []deviceRow{upRow("a", 20, func(r *deviceRow) { r.Down = us(10) })},
				Outages: []outageRow{over("a", 10, 20, "connect")},
			},
		},
		{
			"a recovery in words of the future",
			[]batch{{
				event(fell, "a", 10, 10, func(e *pb.PresenceEvent) { e.Cause = 99 }),
				event(cameBack, "a", 20, 10, func(e *pb.PresenceEvent) { e.Cause, e.Flap = 98, 97 }),
			}},
			tables{
				Devices: []deviceRow{upRow("a", 20, func(r *deviceRow) { r.Down, r.Flapping = us(10), true })},
				Outages: []outageRow{{Device: "a", Down: us(10), Up: us(20), Lost: us(5), Recovery: "unknown"}},
			},
		},
		{
			"the next outage ends one that nobody ended",
			[]batch{
				{event(fell, "a", 10, 10, nil), event(fell, "b", 10, 10, nil)},
				{event(fell, "a", 30, 30, nil), event(fell, "a", 50, 50, nil)},
			},
			tables{
				Devices: []deviceRow{downRow("a", 50, 50), downRow("b", 10, 10)},
				Outages: []outageRow{over("a", 10, 30, "lost"), over("a", 30, 50, "lost"), lasting("a", 50), lasting("b", 10)},
			},
		},
		{
			"what was taken for lost is told late",
			[]batch{{event(fell, "a", 30, 30, nil)}, {event(fell, "a", 10, 10, nil)}, {event(cameBack, "a", 20, 10, nil)}},
			tables{
				Devices: []deviceRow{downRow("a", 30, 30)},
				Outages: []outageRow{over("a", 10, 20, "connect"), lasting("a", 30)},
			},
		},
		{
			"reports, each once, and none of an outage that is not there",
			[]batch{
				{event(fell, "a", 10, 10, nil), reportOf("a", 10, "chat", "r1"), reportOf("a", 99, "chat", "r1"), reportOf("z", 10, "chat", "r1")},
				{reportOf("a", 10, "hook", "r2"), reportOf("a", 10, "chat", "r1"), reportOf("a", 10, "chat", "r3"), reportOf("a", 10, "hook", "r2")},
			},
			tables{
				Devices: []deviceRow{downRow("a", 10, 10)},
				Outages: []outageRow{func() outageRow {
					o := lasting("a", 10)
					o.Reports = []string{"chat:r1", "hook:r2", "chat:r3"}
					return o
				}()},
			},
		},
		{
			"forgotten while it is down",
			[]batch{{event(fell, "a", 10, 10, nil), event(fell, "b", 10, 10, nil)}, {event(forgotten, "a", 12, 0, nil)}},
			tables{Devices: []deviceRow{downRow("b", 10, 10)}, Outages: []outageRow{over("a", 10, 12, "forgotten"), lasting("b", 10)}},
		},
		{
			"forgotten by something older than what is known",
			[]batch{{event(fell, "a", 10, 10, nil), event(forgotten, "a", 9, 0, nil)}, {event(forgotten, "a", 8, 0, nil)}},
			tables{Devices: []deviceRow{downRow("a", 10, 10)}, Outages: []outageRow{lasting("a", 10)}},
		},
		{
			"forgotten and known again, with a lower version, in one batch",
			[]batch{{
				event(fell, "a", 10, 10, nil), event(forgotten, "a", 100, 0, nil), event(changed, "a", 50, 0, nil),
				event(fell, "a", 60, 60, nil), event(forgotten, "b", 5, 0, nil),
			}},
			tables{Devices: []deviceRow{downRow("a", 60, 60)}, Outages: []outageRow{over("a", 10, 100, "forgotten"), lasting("a", 60)}},
		},
		{
			"steady keeps the cause",
			[]batch{
				{event(fell, "a", 10, 10, func(e *pb.PresenceEvent) { e.Flap = pb.PresenceFlap_PRESENCE_FLAP_GOES_ON })},
				{event(steady, "a", 20, 10, func(e *pb.PresenceEvent) { e.State = pb.PresenceState_PRESENCE_STATE_DOWN })},
			},
			tables{
				Devices: []deviceRow{upRow("a", 20, func(r *deviceRow) { r.State, r.Down, r.Cause = "down", us(10), "lwt" })},
				Outages: []outageRow{func() outageRow { o := lasting("a", 10); o.Flap = "goes_on"; return o }()},
			},
		},
		{
			"restarts of the broker",
			[]batch{{event(restarted, "", 30, 25, nil), event(changed, "a", 1, 0, nil), event(restarted, "", 10, 0, nil)}, {event(restarted, "", 30, 0, nil)}},
			tables{Devices: []deviceRow{upRow("a", 1, nil)}, Restarts: []restartRow{{us(10), 0}, {us(30), us(25)}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := NewDevices(pool, int32(i))
			for _, events := range tc.batches {
				if bad := sluicetest.TestHandler(t, d, presenceBatch(events...)); len(bad) > 0 {
					t.Errorf("bad messages: %v", bad)
				}
			}
			wantTables(t, d, tc.want)
		})
	}
}

func TestDevices_TwoBatchesInAnyOrder_TheNewerWins(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	older := presenceBatch(event(changed, "a", 1, 0, nil), event(fell, "b", 10, 10, nil), event(fell, "c", 10, 10, nil), event(changed, "d", 3, 0, nil))
	newer := presenceBatch(event(changed, "a", 2, 0, nil), event(cameBack, "b", 20, 10, func(e *pb.PresenceEvent) {
		e.LostAt = us(5)
	}), event(fell, "c", 30, 30, nil), event(changed, "d", 4, 0, nil))
	want := tables{
		Devices: []deviceRow{upRow("a", 2, nil), upRow("b", 20, func(r *deviceRow) { r.Down = us(10) }), downRow("c", 30, 30), upRow("d", 4, nil)},
		Outages: []outageRow{over("b", 10, 20, "connect"), over("c", 10, 30, "lost"), lasting("c", 30)},
	}
	for i, order := range [][]*sluice.Batch{{older, newer, older}, {newer, older, newer}} {
		d := NewDevices(pool, int32(i))
		for _, b := range order {
			again := *b
			again.ID = sluice.NewBatchID() // of this facility
			wantOutcome(t, d.Handle(t.Context(), &again), 0)
		}
		got := readTables(t, d)
		if i == 0 { // only in order is the cause known
			want.Devices[1].Cause = "lwt"
		} else {
			want.Devices[1].Cause = ""
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("order %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestDevices_WhatIsNoEventIsBad(t *testing.T) {
	t.Parallel()
	d, _ := newDevices(t)
	good := event(changed, "good", 1, 0, nil)
	b := presenceBatch(good)
	var want []sluice.BadMessage
	add := func(reason, device string, e *pb.PresenceEvent) {
		want = append(want, sluice.BadMessage{Index: len(b.Messages), Reason: reason, Device: device})
		b.Messages = append(b.Messages, presenceBatch(e).Messages...)
	}
	long := strings.Repeat("n", 65)
	for _, name := range []string{"", "-a", "a b", "日", "a\x00", "'; DROP TABLE data.device --", long} {
		for _, kind := range []pb.PresenceKind{changed, fell, cameBack, steady, reported, forgotten} {
			add(sluice.ReasonDeviceName, store.ShortText(name), event(kind, name, 1, 1, nil))
		}
	}
	for _, kind := range []pb.PresenceKind{0, 8, -1} {
		add(sluice.ReasonDecode, "a", event(kind, "a", 1, 0, nil))
	}
	for _, state := range []pb.PresenceState{0, 4, -1} {
		for _, kind := range []pb.PresenceKind{changed, fell, cameBack, steady} {
			add(sluice.ReasonDecode, "a", event(kind, "a", 1, 1, func(e *pb.PresenceEvent) { e.State = state }))
		}
	}
	for _, kind := range []pb.PresenceKind{fell, cameBack, reported} {
		add(sluice.ReasonDecode, "a", event(kind, "a", 1, 0, nil))
	}
	for _, kind := range []pb.PresenceKind{cameBack, forgotten, restarted} {
		add(sluice.ReasonDecode, "a", event(kind, "a", 1, 1, func(e *pb.PresenceEvent) { e.At = 0 }))
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
			add(sluice.ReasonDecode, "a", event(fell, "a", 1, 1, set))
		}
	}
	for _, p := range [][]byte{{0xff}, protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "a\xff"), {0x12, 9, 'a'}} {
		want = append(want, sluice.BadMessage{Index: len(b.Messages), Reason: sluice.ReasonDecode})
		b.Messages = append(b.Messages, message(p))
	}
	b.Messages = append(b.Messages, presenceBatch(event(changed, "last", 2, 0, nil)).Messages...)
	wantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	wantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	wantTables(t, d, tables{Devices: []deviceRow{upRow("good", 1, nil), upRow("last", 2, nil)}})
}

func TestDevices_HostileWordsAndExtremesAreStored(t *testing.T) {
	t.Parallel()
	d, _ := newDevices(t)
	name := strings.Repeat("N", 64)
	hostile := "a\x00\"'\\{},NULL\n\u202e" + strings.Repeat("日", 20000)
	extreme := func(e *pb.PresenceEvent) {
		e.Version, e.Generation, e.Outages, e.Alive = math.MaxInt64, math.MinInt64, math.MinInt32, -1
		e.At, e.ConnectedAt, e.SeenAt, e.LostAt, e.DownAt, e.MutedUntil = store.MaxTime, 1, store.MaxTime, 1, store.MaxTime, store.MaxTime
	}
	wantOutcome(t, d.Handle(t.Context(), presenceBatch(
		event(fell, name, 1, 1, extreme),
		event(reported, name, 1, 1, func(e *pb.PresenceEvent) { e.DownAt, e.Receiver, e.Report = store.MaxTime, hostile, "" }),
		event(restarted, hostile, 0, 0, func(e *pb.PresenceEvent) { e.At = store.MaxTime }),
		event(changed, "old", math.MinInt64, 0, func(e *pb.PresenceEvent) { e.At, e.Generation = 0, 0 }),
	)), 0)
	wantTables(t, d, tables{
		Devices: []deviceRow{
			{Device: name, State: "down", Generation: math.MinInt64, Connected: 1, Seen: store.MaxTime, Lost: 1, Down: store.MaxTime, Cause: "lwt", Muted: store.MaxTime, Version: math.MaxInt64},
			{Device: "old", State: "up", Version: math.MinInt64},
		},
		Outages:  []outageRow{{Device: name, Down: store.MaxTime, Lost: 1, Cause: "lwt", Reports: []string{store.Text(hostile) + ":"}}},
		Restarts: []restartRow{{store.MaxTime, 0}},
	})
}

func TestDevices_FacilitiesAreApart(t *testing.T) {
	t.Parallel()
	one, pool := newDevices(t)
	two := NewDevices(pool, one.facility+1)
	wantOutcome(t, one.Handle(t.Context(), presenceBatch(event(fell, "a", 10, 10, nil), event(restarted, "", 5, 0, nil))), 0)
	wantOutcome(t, two.Handle(t.Context(), presenceBatch(event(fell, "a", 30, 30, nil), reportOf("a", 10, "chat", "r"))), 0)
	wantOutcome(t, two.Handle(t.Context(), presenceBatch(event(forgotten, "a", 40, 0, nil))), 0)
	wantTables(t, one, tables{Devices: []deviceRow{downRow("a", 10, 10)}, Outages: []outageRow{lasting("a", 10)}, Restarts: []restartRow{{us(5), 0}}})
	wantTables(t, two, tables{Outages: []outageRow{over("a", 30, 40, "forgotten")}})
}

// Batches of many writers that have the same devices in opposite orders.
func TestDevices_ManyWritersAtOnce_NoneIsRefused(t *testing.T) {
	t.Parallel()
	d, _ := newDevices(t)
	const devices, writers = 50, 8
	var want tables
	var waiting []<-chan error
	for w := range int64(writers) {
		var events []*pb.PresenceEvent
		for i := range devices {
			events = append(events, event(fell, fmt.Sprintf("d%02d", i), (w+1)*10, (w+1)*10, nil))
		}
		if w%2 == 1 {
			slices.Reverse(events)
		}
		waiting = append(waiting, handle(t.Context(), d, presenceBatch(events...)))
	}
	for _, done := range waiting {
		wantOutcome(t, <-done, 0)
	}
	for i := range devices {
		name := fmt.Sprintf("d%02d", i)
		want.Devices = append(want.Devices, downRow(name, writers*10, writers*10))
		for w := range int64(writers - 1) {
			want.Outages = append(want.Outages, over(name, (w+1)*10, (w+2)*10, "lost"))
		}
		want.Outages = append(want.Outages, lasting(name, writers*10))
	}
	got := readTables(t, d)
	for i := range got.Outages { // whoever comes first ends it by the next that it sees
		if got.Outages[i].Recovery == "lost" {
			got.Outages[i].Up = want.Outages[i].Up
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// A plan made for small tables must not be one that searches them: they grow to a
// fleet before they are analyzed again. All devices go down in one microsecond,
// as those do that did not come back after a restart of the broker.
func TestDevices_FirstStormOfAFacility_LooksUpByKey(t *testing.T) {
	t.Parallel()
	// One session, which keeps its first plans; to them the disk is slow.
	pool := migrated(t, testenv.Database(t)+"&pool_max_conns=1&plan_cache_mode=force_generic_plan&random_page_cost=4")
	exec(t, pool, "ALTER TABLE data.outage SET (autovacuum_enabled = off)")
	exec(t, pool, "ALTER TABLE data.device SET (autovacuum_enabled = off)")
	d := NewDevices(pool, 1)
	var version int64
	all := func(batches, size int) {
		down := version + 100
		for i, kind := range []pb.PresenceKind{changed, fell, reported, fell, cameBack, forgotten} {
			version++
			for b := range batches {
				var events []*pb.PresenceEvent
				for n := range size {
					events = append(events, event(kind, fmt.Sprintf("dev-%d", b*size+n), version, down+int64(i/3), nil))
				}
				wantOutcome(t, d.Handle(t.Context(), presenceBatch(events...)), 0)
			}
		}
	}
	all(10, 1)
	exec(t, pool, "VACUUM ANALYZE data.outage, data.device")
	all(10, 1)
	const reads = `SELECT sum(seq_tup_read + idx_tup_fetch)::bigint + (
		SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE schemaname = 'data')
		FROM pg_stat_user_tables WHERE schemaname = 'data'`
	exec(t, pool, "SELECT pg_stat_force_next_flush()")
	before := query[int64](t, pool, reads)
	const batches, size = 10, 500
	all(batches, size)
	exec(t, pool, "SELECT pg_stat_force_next_flush()")
	perEvent := float64(query[int64](t, pool, reads)-before) / (6 * batches * size)
	t.Logf("%.1f rows read per event", perEvent)
	if perEvent > 10 {
		t.Errorf("%.1f rows were read per event, want a few", perEvent)
	}
}

func TestDevices_TableMissingHalts(t *testing.T) {
	t.Parallel()
	d, pool := newDevices(t)
	b := presenceBatch(event(changed, "a", 1, 0, nil))
	exec(t, pool, "ALTER TABLE data.device RENAME TO elsewhere")
	if err := d.Handle(t.Context(), b); !isHalt(err) || !strings.Contains(err.Error(), "sluice db migrate") {
		t.Errorf("got %v, want a halt with the command", err)
	}
	exec(t, pool, "ALTER TABLE data.elsewhere RENAME TO device")
	wantOutcome(t, d.Handle(t.Context(), b), 0)
	wantTables(t, d, tables{Devices: []deviceRow{upRow("a", 1, nil)}})
}
