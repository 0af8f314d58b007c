package postgres

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/store"
)

func letter(index int, change func(*sluice.DeadLetter)) sluice.DeadLetter {
	l := sluice.DeadLetter{
		Batch: sluice.BatchID{1, 2, 3}, Index: index, Route: "data/sensor", Device: "dev-1", Topic: "data/sensor/dev-1",
		Payload: []byte("\x00\xffx"), Received: time.Unix(epoch0, 1000).UTC(), Reason: sluice.ReasonData, Code: "23514",
		Detail: "refused", At: time.Unix(epoch0+2, 0).UTC(),
	}
	if change != nil {
		change(&l)
	}
	return l
}

// deadBatch is a batch of the queue $dead.
func deadBatch(t testing.TB, letters ...sluice.DeadLetter) *sluice.Batch {
	t.Helper()
	b := &sluice.Batch{ID: sluice.NewBatchID(), Route: sluice.QueueDead, Attempt: 1}
	for _, l := range letters {
		p, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		b.Messages = append(b.Messages, sluice.Message{Topic: l.Topic, Payload: p, Received: l.Received})
	}
	return b
}

func newDead(t testing.TB) (*Dead, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t)
	id, err := Facility(t.Context(), pool, "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	return NewDead(pool, id), pool
}

// listed returns all dead letters, oldest first.
func listed(t testing.TB, pool *pgxpool.Pool) (letters []sluice.DeadLetter) {
	t.Helper()
	all, err := ListDead(t.Context(), pool, store.DeadFilter{}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range slices.Backward(all) {
		l := a.DeadLetter
		l.Received, l.At = l.Received.UTC(), l.At.UTC()
		letters = append(letters, l)
	}
	return letters
}

func TestDead_StoresLettersOnce(t *testing.T) {
	t.Parallel()
	d, pool := newDead(t)
	want := []sluice.DeadLetter{
		letter(0, nil),
		letter(1, func(l *sluice.DeadLetter) { l.Device, l.Code, l.Detail, l.Payload = "", "", "", []byte{} }),
		letter(0, func(l *sluice.DeadLetter) { l.Batch, l.Reason = sluice.BatchID{}, sluice.ReasonTooLarge }),
		letter(0, func(l *sluice.DeadLetter) { l.Batch, l.Reason = sluice.BatchID{}, sluice.ReasonTooLarge }),
	}
	b := deadBatch(t, want...)
	wantOutcome(t, d.Handle(t.Context(), b), 0)
	wantOutcome(t, d.Handle(t.Context(), b), 0)
	// The same message in another batch of $dead.
	wantOutcome(t, d.Handle(t.Context(), deadBatch(t, want[0])), 0)
	if diff := cmp.Diff(want, listed(t, pool)); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func TestDead_NothingADeviceSentIsRefused(t *testing.T) {
	t.Parallel()
	d, pool := newDead(t)
	hostile := "a\x00b\xff\"'\\\n\u202e" + strings.Repeat("日", 20000)
	l := letter(0, func(l *sluice.DeadLetter) {
		l.Device, l.Topic, l.Route, l.Reason, l.Code, l.Detail = hostile, hostile, hostile, hostile, hostile, hostile
		l.Payload = []byte(hostile)
		l.Received, l.At = time.Time{}, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	})
	wantOutcome(t, d.Handle(t.Context(), deadBatch(t, l)), 0)
	got := listed(t, pool)
	if len(got) != 1 || string(got[0].Payload) != hostile || got[0].Device != store.Text(hostile) || got[0].Topic != store.Text(hostile) {
		t.Errorf("the letter came back changed")
	}
}

func TestDead_WhatIsNoLetterIsUnstorable(t *testing.T) {
	t.Parallel()
	d, pool := newDead(t)
	b := deadBatch(t, letter(0, nil), letter(-1, nil), letter(1<<31, nil), letter(3, nil), letter(4, nil))
	b.Messages[3].Payload = []byte(`{"batch": "x"`)
	want := []sluice.BadMessage{{Index: 1, Reason: store.ReasonUnstorable}, {Index: 2, Reason: store.ReasonUnstorable}, {Index: 3, Reason: store.ReasonUnstorable}}
	wantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	wantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	if n := len(listed(t, pool)); n != 2 {
		t.Errorf("got %d letters, want 2", n)
	}
}

func TestDead_TableMissingHalts(t *testing.T) {
	t.Parallel()
	d, pool := newDead(t)
	exec(t, pool, "DROP TABLE sluice.dead_letter")
	if err := d.Handle(t.Context(), deadBatch(t, letter(0, nil))); !isHalt(err) {
		t.Errorf("got %v, want a halt", err)
	}
}

func TestListGetDropDead(t *testing.T) {
	t.Parallel()
	d, pool := newDead(t)
	var letters []sluice.DeadLetter
	for i := range 6 {
		letters = append(letters, letter(i, func(l *sluice.DeadLetter) {
			l.At = l.At.Add(time.Duration(i) * time.Minute)
			if i%2 == 1 {
				l.Device, l.Route, l.Reason = "dev-2", "data/door", sluice.ReasonDecode
			}
		}))
	}
	wantOutcome(t, d.Handle(t.Context(), deadBatch(t, letters...)), 0)
	at := letters[0].At
	for _, tc := range []struct {
		name   string
		filter store.DeadFilter
		before int64
		limit  int
		want   []int64
	}{
		{"all", store.DeadFilter{}, 0, 10, []int64{6, 5, 4, 3, 2, 1}},
		{"page", store.DeadFilter{}, 0, 2, []int64{6, 5}},
		{"next page", store.DeadFilter{}, 5, 2, []int64{4, 3}},
		{"facility", store.DeadFilter{Facility: "plant-1"}, 0, 1, []int64{6}},
		{"other facility", store.DeadFilter{Facility: "plant-2"}, 0, 10, nil},
		{"device", store.DeadFilter{Device: "dev-2"}, 0, 10, []int64{6, 4, 2}},
		{"route", store.DeadFilter{Route: "data/door"}, 0, 10, []int64{6, 4, 2}},
		{"reason", store.DeadFilter{Reason: sluice.ReasonData}, 0, 10, []int64{5, 3, 1}},
		{"since", store.DeadFilter{Since: at.Add(4 * time.Minute)}, 0, 10, []int64{6, 5}},
		{"until", store.DeadFilter{Until: at.Add(2 * time.Minute)}, 0, 10, []int64{2, 1}},
		{"hostile", store.DeadFilter{Device: "' OR true --\x00"}, 0, 10, nil},
	} {
		got, err := ListDead(t.Context(), pool, tc.filter, tc.before, tc.limit)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, ids(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	got, err := GetDead(t.Context(), pool, 5, 2, 99)
	if err != nil || !cmp.Equal(ids(got), []int64{2, 5}) || got[0].Facility != "plant-1" || got[0].Topic != letters[1].Topic {
		t.Errorf("got %v (%v), want letters 2 and 5", got, err)
	}
	if n, err := DropDead(t.Context(), pool, 5, 99); n != 1 || err != nil {
		t.Errorf("dropped %d (%v), want 1", n, err)
	}
	if n, err := DropDeadMatching(t.Context(), pool, store.DeadFilter{Device: "dev-2"}); n != 3 || err != nil {
		t.Errorf("dropped %d (%v), want 3", n, err)
	}
	if n := len(listed(t, pool)); n != 2 {
		t.Errorf("got %d letters left, want 2", n)
	}
}

func ids(letters []store.StoredDead) (ids []int64) {
	for _, l := range letters {
		ids = append(ids, l.ID)
	}
	return ids
}
