package storetest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/store"
)

// Letter is a dead letter of the message at an index of its batch, after change.
func Letter(index int, change func(*sluice.DeadLetter)) sluice.DeadLetter {
	l := sluice.DeadLetter{
		Batch: sluice.BatchID{1, 2, 3}, Index: index, Route: "data/sensor", Device: "dev-1", Topic: "data/sensor/dev-1",
		Payload: []byte("\x00\xffx"), Received: time.Unix(Epoch, 1000).UTC(), Reason: sluice.ReasonData, Code: "23514",
		Detail: "refused", At: time.Unix(Epoch+2, 0).UTC(),
	}
	if change != nil {
		change(&l)
	}
	return l
}

// DeadBatch is a batch of the queue $dead.
func DeadBatch(t testing.TB, letters ...sluice.DeadLetter) *sluice.Batch {
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

// listed returns all dead letters, oldest first.
func listed(t testing.TB, s Store) (letters []sluice.DeadLetter) {
	t.Helper()
	all, err := s.ListDead(t.Context(), store.DeadFilter{}, 0, 10_000)
	must(t, err)
	for _, a := range slices.Backward(all) {
		l := a.DeadLetter
		l.Received, l.At = l.Received.UTC(), l.At.UTC()
		letters = append(letters, l)
	}
	return letters
}

func deadStoresOnce(t *testing.T, s Store) {
	d := s.NewDead(facility(t, s, "plant-1"))
	want := []sluice.DeadLetter{
		Letter(0, nil),
		Letter(1, func(l *sluice.DeadLetter) { l.Device, l.Code, l.Detail, l.Payload = "", "", "", []byte{} }),
		Letter(0, func(l *sluice.DeadLetter) { l.Batch, l.Reason = sluice.BatchID{}, sluice.ReasonTooLarge }),
		Letter(0, func(l *sluice.DeadLetter) { l.Batch, l.Reason = sluice.BatchID{}, sluice.ReasonTooLarge }),
	}
	b := DeadBatch(t, want...)
	WantOutcome(t, d.Handle(t.Context(), b), 0)
	WantOutcome(t, d.Handle(t.Context(), b), 0)
	// The same message in another batch of $dead.
	WantOutcome(t, d.Handle(t.Context(), DeadBatch(t, want[0])), 0)
	if diff := cmp.Diff(want, listed(t, s)); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func deadHostile(t *testing.T, s Store) {
	d := s.NewDead(facility(t, s, "plant-1"))
	hostile := "a\x00b\xff\"'\\\n\u202e" + strings.Repeat("日", 20000)
	l := Letter(0, func(l *sluice.DeadLetter) {
		l.Device, l.Topic, l.Route, l.Reason, l.Code, l.Detail = hostile, hostile, hostile, hostile, hostile, hostile
		l.Payload = []byte(hostile)
		l.Received, l.At = time.Time{}, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	})
	WantOutcome(t, d.Handle(t.Context(), DeadBatch(t, l)), 0)
	got := listed(t, s)
	if len(got) != 1 || string(got[0].Payload) != hostile || got[0].Device != store.Text(hostile) || got[0].Topic != store.Text(hostile) {
		t.Errorf("the letter came back changed")
	}
}

func deadUnstorable(t *testing.T, s Store) {
	d := s.NewDead(facility(t, s, "plant-1"))
	b := DeadBatch(t, Letter(0, nil), Letter(-1, nil), Letter(1<<31, nil), Letter(3, nil), Letter(4, nil))
	b.Messages[3].Payload = []byte(`{"batch": "x"`)
	want := []sluice.BadMessage{{Index: 1, Reason: store.ReasonUnstorable}, {Index: 2, Reason: store.ReasonUnstorable}, {Index: 3, Reason: store.ReasonUnstorable}}
	WantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	WantOutcome(t, d.Handle(t.Context(), b), 0, want...)
	if n := len(listed(t, s)); n != 2 {
		t.Errorf("got %d letters, want 2", n)
	}
}

func deadList(t *testing.T, s Store) {
	d := s.NewDead(facility(t, s, "plant-1"))
	var letters []sluice.DeadLetter
	for i := range 6 {
		letters = append(letters, Letter(i, func(l *sluice.DeadLetter) {
			l.At = l.At.Add(time.Duration(i) * time.Minute)
			if i%2 == 1 {
				l.Device, l.Route, l.Reason = "dev-2", "data/door", sluice.ReasonDecode
			}
		}))
	}
	WantOutcome(t, d.Handle(t.Context(), DeadBatch(t, letters...)), 0)
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
		got, err := s.ListDead(t.Context(), tc.filter, tc.before, tc.limit)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, ids(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	got, err := s.GetDead(t.Context(), 5, 2, 99)
	if err != nil || !cmp.Equal(ids(got), []int64{2, 5}) || got[0].Facility != "plant-1" || got[0].Topic != letters[1].Topic {
		t.Errorf("got %v (%v), want letters 2 and 5", got, err)
	}
	if n, err := s.DropDead(t.Context(), 5, 99); n != 1 || err != nil {
		t.Errorf("dropped %d (%v), want 1", n, err)
	}
	if n := len(listed(t, s)); n != 5 {
		t.Errorf("got %d letters left, want 5", n)
	}
}

func ids(letters []store.StoredDead) (ids []int64) {
	for _, l := range letters {
		ids = append(ids, l.ID)
	}
	return ids
}

// uniqueLetter is one of a batch of its own.
func uniqueLetter(index int) sluice.DeadLetter {
	return Letter(index, func(l *sluice.DeadLetter) { l.Batch = sluice.NewBatchID() })
}
