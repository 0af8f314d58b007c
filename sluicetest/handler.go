package sluicetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice"
)

// epoch is when the messages of Message were received.
var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Message returns a message as a handler sees it, received at the start of 2025.
func Message(topic string, payload []byte) sluice.Message {
	return sluice.Message{Topic: topic, Payload: payload, Received: epoch}
}

// Batch returns the first attempt at a batch of a route with a new id. route is
// a filter such as `data/{device}`, which Batch.Capture then knows; it panics
// when it is none.
func Batch(route string, msgs ...sluice.Message) *sluice.Batch {
	f, err := sluice.ParseFilter(route)
	if err != nil {
		panic("sluicetest: " + err.Error())
	}
	b := &sluice.Batch{ID: sluice.NewBatchID(), Route: route, Attempt: 1, Messages: msgs}
	return b.WithFilters(f)
}

// TestHandler lets h handle b twice, as it happens when a process dies between
// Handle and the removal of the batch, and returns what the first attempt called
// bad. It fails t when h asks for a retry or a halt, changes a message, names a
// message that the batch does not have, or answers differently the second time.
// Duplicates may differ: they are the handler's own count.
//
// What h leaves behind only its caller can look at: after TestHandler it must
// be what one attempt leaves.
func TestHandler(t testing.TB, h sluice.Handler, b *sluice.Batch) []sluice.BadMessage {
	t.Helper()
	first := attempt(t, h, b)
	again := *b
	again.Attempt++
	second := attempt(t, h, &again)
	if diff := cmp.Diff(first, second, cmpopts.EquateEmpty(), cmpopts.SortSlices(byIndex)); diff != "" {
		t.Errorf("bad messages of two attempts (-first +second):\n%s", diff)
	}
	return first
}

// attempt lets h handle b once and returns the bad messages.
func attempt(t testing.TB, h sluice.Handler, b *sluice.Batch) []sluice.BadMessage {
	t.Helper()
	before := *b
	before.Messages = cloneMessages(b.Messages)
	err := h.Handle(t.Context(), b)
	if diff := cmp.Diff(before.Messages, b.Messages, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("attempt %d changed the messages (-before +after):\n%s", b.Attempt, diff)
	}
	var partly *sluice.BatchError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &partly):
		t.Errorf("attempt %d: %v", b.Attempt, err)
		return nil
	}
	named := map[int]bool{}
	for _, bad := range partly.Bad {
		if bad.Index < 0 || bad.Index >= len(b.Messages) || named[bad.Index] || bad.Reason == "" {
			t.Errorf("attempt %d of %d messages: bad message %+v is unknown, named twice or without a reason", b.Attempt, len(b.Messages), bad)
		}
		named[bad.Index] = true
	}
	if n := len(named) + partly.Duplicates; partly.Duplicates < 0 || n > len(b.Messages) {
		t.Errorf("attempt %d of %d messages: %d bad and %d duplicates", b.Attempt, len(b.Messages), len(named), partly.Duplicates)
	}
	return partly.Bad
}

func byIndex(a, b sluice.BadMessage) bool { return a.Index < b.Index }
