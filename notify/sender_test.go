package notify

import (
	"errors"
	"strings"
	"testing"
)

func TestSendTest_EachHasItsOwnID(t *testing.T) {
	t.Parallel()
	s := &script{limit: 1000}
	for range 2 {
		if err := SendTest(t.Context(), s, "plant-1"); err != nil {
			t.Fatal(err)
		}
	}
	first, second := s.got[0], s.got[1]
	want := "This is a test of the notifications of plant-1; no action is needed.\n[" + first.ID + "]"
	if first.Text != want || first.ID == second.ID || !strings.HasPrefix(first.ID, "test-") {
		t.Errorf("got %+v and %+v, want text %q", first, second, want)
	}
}

func TestSendTest_ReturnsTheErrorOfTheReceiver(t *testing.T) {
	t.Parallel()
	refused := &RefusedError{errBroken}
	err := SendTest(t.Context(), &script{answers: []error{refused}}, "plant-1")
	if got, ok := errors.AsType[*RefusedError](err); !ok || got != refused || !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, refused)
	}
	if busy := (&BusyError{Err: errBroken, After: 1}); !errors.Is(busy, errBroken) || busy.Error() != "broken" {
		t.Errorf("got %v", busy)
	}
}

func TestSendTest_SplitsForATightLimit(t *testing.T) {
	t.Parallel()
	s := &script{limit: 90}
	if err := SendTest(t.Context(), s, "plant-1"); err != nil || len(s.got) < 2 {
		t.Errorf("got %d parts, %v", len(s.got), err)
	}
	if err := SendTest(t.Context(), &script{limit: 20}, "plant-1"); err == nil {
		t.Error("a limit without room: got nil, want an error")
	}
}
