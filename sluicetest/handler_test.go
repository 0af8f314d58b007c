package sluicetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/sluicetest"
)

// recorder is a testing.TB that notes what a kit reports about a handler.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestBatch_KnowsItsCaptures(t *testing.T) {
	t.Parallel()
	b := sluicetest.Batch("data/{device}", sluicetest.Message("data/d1", []byte("x")))
	if got := b.Capture(0, "device"); got != "d1" || b.Attempt != 1 || b.ID == (sluice.BatchID{}) {
		t.Errorf("got capture %q, attempt %d, id %v", got, b.Attempt, b.ID)
	}
}

func TestTestHandler_ReturnsBadMessages(t *testing.T) {
	t.Parallel()
	var attempts []int
	h := sluice.HandlerFunc(func(_ context.Context, b *sluice.Batch) error {
		attempts = append(attempts, b.Attempt)
		return fmt.Errorf("wrapped: %w", &sluice.BatchError{Bad: []sluice.BadMessage{{Index: 1, Reason: sluice.ReasonDecode}}, Duplicates: len(attempts) - 1})
	})
	bad := sluicetest.TestHandler(t, h, sluicetest.Batch("t", sluicetest.Message("t", nil), sluicetest.Message("t", nil)))
	if d := cmp.Diff([]sluice.BadMessage{{Index: 1, Reason: sluice.ReasonDecode}}, bad); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{1, 2}, attempts); d != "" {
		t.Error(d)
	}
}

func TestTestHandler_FindsFaults(t *testing.T) {
	t.Parallel()
	bad := func(bad ...sluice.BadMessage) func(*sluice.Batch) error {
		return func(*sluice.Batch) error { return &sluice.BatchError{Bad: bad} }
	}
	tests := []struct {
		name   string
		handle func(*sluice.Batch) error
		want   string
	}{
		{"retry", func(*sluice.Batch) error { return errors.New("busy") }, "attempt 1: busy"},
		{"index too large", bad(sluice.BadMessage{Index: 2, Reason: "r"}), "unknown"},
		{"index below zero", bad(sluice.BadMessage{Index: -1, Reason: "r"}), "unknown"},
		{"named twice", bad(sluice.BadMessage{Reason: "r"}, sluice.BadMessage{Reason: "r"}), "named twice"},
		{"no reason", bad(sluice.BadMessage{}), "without a reason"},
		{"too many duplicates", func(*sluice.Batch) error { return &sluice.BatchError{Duplicates: 3} }, "3 duplicates"},
		{"changes a payload", func(b *sluice.Batch) error { b.Messages[0].Payload[0]++; return nil }, "changed the messages"},
		{"second answer differs", func(b *sluice.Batch) error {
			return bad(sluice.BadMessage{Index: b.Attempt % 2, Reason: "r"})(b)
		}, "two attempts"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			h := sluice.HandlerFunc(func(_ context.Context, b *sluice.Batch) error { return test.handle(b) })
			sluicetest.TestHandler(r, h, sluicetest.Batch("t", sluicetest.Message("t", []byte("a")), sluicetest.Message("t", []byte("b"))))
			if got := strings.Join(r.errors, "\n"); !strings.Contains(got, test.want) {
				t.Errorf("got reports %q, want %q", got, test.want)
			}
		})
	}
}
