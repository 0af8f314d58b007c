package sluice

import (
	"errors"
	"fmt"
	"testing"
)

func TestPermanentAndHalt_Wrap(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for name, wrap := range map[string]func(error) error{"Permanent": Permanent, "Halt": Halt} {
		err := wrap(fmt.Errorf("context: %w", cause))
		if !errors.Is(err, cause) || err.Error() != "context: cause" {
			t.Errorf("%s: got %v", name, err)
		}
		if err := wrap(nil); err != nil {
			t.Errorf("%s(nil): got %v, want nil", name, err)
		}
	}
	var permanent *permanentError
	var halt *haltError
	if err := fmt.Errorf("handler: %w", Permanent(cause)); !errors.As(err, &permanent) || errors.As(err, &halt) {
		t.Error("a wrapped Permanent is not recognised")
	}
	if err := fmt.Errorf("handler: %w", Halt(cause)); !errors.As(err, &halt) || errors.As(err, &permanent) {
		t.Error("a wrapped Halt is not recognised")
	}
}

func TestBatchError_Error(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  BatchError
		want string
	}{
		{BatchError{Duplicates: 3}, "3 duplicate messages"},
		{BatchError{Bad: []BadMessage{{Index: 4, Reason: ReasonDecode}, {Index: 1}}, Duplicates: 2}, "2 bad messages (first: index 4, decode), 2 duplicate"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestQueueStatus_Balance(t *testing.T) {
	t.Parallel()
	s := QueueStatus{
		Account: Account{Received: 100, Stored: 50, Duplicate: 20, Dead: 10, Dropped: map[string]int64{DropOverlap: 5, DropRetained: 1}},
		Open:    1, Sealed: 2, Claimed: 3, Retry: 4,
	}
	if s.Queued() != 10 || s.Balance() != 4 {
		t.Errorf("got %d queued, balance %d; want 10, 4", s.Queued(), s.Balance())
	}
	if got := (QueueStatus{}).Balance(); got != 0 {
		t.Errorf("zero status: got balance %d", got)
	}
}
