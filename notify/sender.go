package notify

import (
	"context"
	"fmt"
	"time"

	"sluice"
)

// Sender delivers to one receiver.
type Sender interface {
	// Send delivers a part and returns nil only when the receiver has accepted it.
	// It makes one try. *RefusedError: no try can succeed until an operator acts.
	// *BusyError: not before some time. Any other error: try again. No error says a
	// secret. p is not retained.
	Send(ctx context.Context, p *Part) error
	// Limit is the most characters (runes) of a part's text, 0 for any.
	Limit() int
}

// Part is what is delivered at once: a report, or a piece of a long one.
type Part struct {
	// ID is the report's id, with -1, -2, ... for the parts of a long one. It is the
	// same at every try, so that a receiver can tell a copy.
	ID string
	// Text is at most Limit characters, the id at its end included.
	Text string
	// Report is the whole report, for receivers that take more than text.
	Report *Report
}

// RefusedError is the answer of a receiver that will not take the part, nor any
// other, until an operator acts. Its text says what to do.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// BusyError is the answer of a receiver that wants to be left alone for a while.
type BusyError struct {
	Err error
	// After is how long, above 0.
	After time.Duration
}

func (e *BusyError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *BusyError) Unwrap() error { return e.Err }

// SendTest delivers a test message, once, with a new id: nil when the receiver
// has accepted it.
func SendTest(ctx context.Context, s Sender, facility string) error {
	facility = escape(facility)
	r := &Report{
		ID: "test-" + sluice.NewBatchID().String(), Facility: facility, At: time.Now().UTC(), Test: true,
		Summary: fmt.Sprintf("This is a test of the notifications of %s; no action is needed.", facility),
	}
	texts, err := Split(r.Text(), r.ID, s.Limit())
	if err != nil {
		return err
	}
	for i, text := range texts {
		if err := s.Send(ctx, &Part{ID: partID(r.ID, i, len(texts)), Text: text, Report: r}); err != nil {
			return err
		}
	}
	return nil
}
