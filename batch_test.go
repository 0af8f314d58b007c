package sluice

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBatchID_RoundTrip(t *testing.T) {
	t.Parallel()
	seen := map[BatchID]bool{}
	for range 1000 {
		id := NewBatchID()
		if seen[id] {
			t.Fatalf("%v came twice", id)
		}
		seen[id] = true
		got, err := ParseBatchID(id.String())
		if err != nil || got != id {
			t.Fatalf("%v: got %v, %v", id, got, err)
		}
	}
}

func TestParseBatchID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in string
		ok bool
	}{
		{"000102030405060708090a0b0c0d0e0f", true},
		{"000102030405060708090A0B0C0D0E0F", true},
		{"", false},
		{"000102030405060708090a0b0c0d0e0", false},
		{"000102030405060708090a0b0c0d0e0f0", false},
		{"000102030405060708090a0b0c0d0e0f10", false},
		{"000102030405060708090a0b0c0d0e0g", false},
		{"00010203-0405-0607-0809-0a0b0c0d", false},
	}
	want := BatchID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	for _, test := range tests {
		got, err := ParseBatchID(test.in)
		if (err == nil) != test.ok || (test.ok && got != want) {
			t.Errorf("%q: got %v, %v", test.in, got, err)
		}
	}
}

func TestBatch_Capture(t *testing.T) {
	t.Parallel()
	b := &Batch{Messages: []Message{{Topic: "data/sensor"}, {Topic: "data/sensor/d1"}, {Topic: "site/s/data/d2"}}}
	b.WithFilters(mustFilter(t, "data/sensor"), mustFilter(t, "data/sensor/{device}"), mustFilter(t, "site/{site}/data/{device}"))
	tests := []struct {
		index      int
		name, want string
	}{
		{0, "device", ""}, {1, "device", "d1"}, {1, "site", ""}, {2, "device", "d2"}, {2, "site", "s"}, {2, "other", ""},
	}
	for _, test := range tests {
		if got := b.Capture(test.index, test.name); got != test.want {
			t.Errorf("message %d, {%s}: got %q, want %q", test.index, test.name, got, test.want)
		}
	}
	if got := (&Batch{Messages: b.Messages}).Capture(1, "device"); got != "" {
		t.Errorf("without filters: got %q, want nothing", got)
	}
}

// TestDeadLetter_JSON: dead letters wait in queues as JSON and must come back
// whole; the names of the fields are part of what is stored.
func TestDeadLetter_JSON(t *testing.T) {
	t.Parallel()
	want := DeadLetter{
		Batch: NewBatchID(), Index: 7, Route: "data/door", Device: "d\n\"1", Topic: "data/door/ä", Payload: []byte{0, 0xff, '"'},
		Received: time.UnixMicro(1_763_000_000_123_456).UTC(), Reason: ReasonData, Code: "22003", Detail: "out of range",
		At: time.UnixMicro(1_763_000_000_123_457).UTC(),
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got DeadLetter
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"batch", "index", "route", "device", "topic", "payload", "received", "reason", "code", "detail", "at"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("no field %s in %s", name, data)
		}
	}
	if fields["batch"] != want.Batch.String() {
		t.Errorf("got batch %v, want %v", fields["batch"], want.Batch)
	}
}
