package sluice

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// outcomeOf reads what a handler returned: the outcome of a batch that is done,
// or the error for which it must be tried again. An error that is also Halt
// halts, whatever else it wraps: that is the reading which keeps the messages.
func outcomeOf(b *Batch, result error) (Outcome, error) {
	if result == nil {
		return Outcome{Stored: len(b.Messages)}, nil
	}
	if _, ok := errors.AsType[*haltError](result); ok {
		return Outcome{}, result
	}
	if permanent, ok := errors.AsType[*permanentError](result); ok {
		return allDead(b, permanent), nil
	}
	if partly, ok := errors.AsType[*BatchError](result); ok {
		return partlyDead(b, partly)
	}
	return Outcome{}, result
}

func allDead(b *Batch, cause error) Outcome {
	o := Outcome{Dead: make([]DeadLetter, len(b.Messages))}
	for i := range b.Messages {
		o.Dead[i] = deadLetter(b, BadMessage{Index: i, Reason: ReasonPermanent, Detail: cause.Error()})
	}
	return o
}

// partlyDead checks the indexes: a handler that names messages it was not given
// has a defect, and its batch is better tried again than half lost.
func partlyDead(b *Batch, e *BatchError) (Outcome, error) {
	n := len(b.Messages)
	named := make(map[int]bool, len(e.Bad))
	o := Outcome{Duplicate: e.Duplicates}
	for _, bad := range e.Bad {
		if bad.Index < 0 || bad.Index >= n {
			return Outcome{}, fmt.Errorf("handler named message %d of a batch of %d", bad.Index, n)
		}
		if !named[bad.Index] {
			named[bad.Index] = true
			o.Dead = append(o.Dead, deadLetter(b, bad))
		}
	}
	o.Stored = n - len(o.Dead) - o.Duplicate
	if o.Stored < 0 || o.Duplicate < 0 {
		return Outcome{}, fmt.Errorf("handler counted %d bad and %d duplicate messages in a batch of %d", len(o.Dead), o.Duplicate, n)
	}
	return o, nil
}

func deadLetter(b *Batch, bad BadMessage) DeadLetter {
	m := b.Messages[bad.Index]
	return DeadLetter{
		Batch: b.ID, Index: bad.Index, Route: b.Route, Device: cmp.Or(bad.Device, b.Capture(bad.Index, "device")),
		Topic: m.Topic, Payload: m.Payload, Received: m.Received,
		Reason: bad.Reason, Code: bad.Code, Detail: bad.Detail, At: time.Now(),
	}
}

// unstorable turns the dead of QueueDead itself into counted drops: a dead
// letter has no further place to go.
func unstorable(o Outcome) Outcome {
	if n := len(o.Dead); n > 0 {
		o.Dead, o.Dropped = nil, map[string]int{DropUnstorable: n}
	}
	return o
}
