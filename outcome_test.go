package sluice

import (
	"errors"
	"testing"
	"testing/quick"
)

// Whatever indexes and counts a handler returns, an outcome that is accepted
// adds up to the batch and buries no message twice.
func TestOutcomeOf_AlwaysAddsUp(t *testing.T) {
	t.Parallel()
	adds := func(size uint8, indexes []int8, duplicates int8) bool {
		b := &Batch{Messages: make([]Message, size%16)}
		e := &BatchError{Duplicates: int(duplicates % 16)}
		for _, i := range indexes {
			e.Bad = append(e.Bad, BadMessage{Index: int(i % 20)})
		}
		o, err := outcomeOf(b, e)
		if err != nil {
			return len(o.Dead)+o.Stored+o.Duplicate == 0
		}
		seen := map[int]bool{}
		for _, d := range o.Dead {
			if seen[d.Index] || d.Index < 0 || d.Index >= len(b.Messages) {
				return false
			}
			seen[d.Index] = true
		}
		return o.Stored >= 0 && o.Duplicate >= 0 && o.Stored+o.Duplicate+len(o.Dead) == len(b.Messages)
	}
	if err := quick.Check(adds, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
}

func TestOutcomeOf_KeepsTheHandlersError(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, result := range []error{cause, Halt(cause), Halt(&BatchError{}), errors.Join(Permanent(cause), Halt(cause))} {
		if _, err := outcomeOf(&Batch{}, result); err != result {
			t.Errorf("%v: got %v", result, err)
		}
	}
}

func TestUnstorable_TurnsDeadIntoDrops(t *testing.T) {
	t.Parallel()
	o := unstorable(Outcome{Stored: 1, Dead: make([]DeadLetter, 2)})
	if o.Stored != 1 || o.Dead != nil || o.Dropped[DropUnstorable] != 2 {
		t.Errorf("outcome %+v", o)
	}
	if o := unstorable(Outcome{Stored: 1}); o.Dropped != nil {
		t.Errorf("outcome %+v, want no drops", o)
	}
}
