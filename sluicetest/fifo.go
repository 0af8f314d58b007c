package sluicetest

import (
	"maps"
	"slices"
	"time"

	"sluice"
)

// fifo is one queue: its open batch, the batches that are sealed, claimed or in
// retry, and its account. Guarded by the mutex of Queue.
type fifo struct {
	name    string
	account sluice.Account

	open      []sluice.Message
	openBytes int64 // of payload
	opened    time.Time

	batches     []*batch // in the order of sealing
	note        []byte   // what the last Note stored
	halted      string   // why, "" when it is not
	haltedSince time.Time
}

// State is the state of a batch, see the drawing at sluice.Queue.
type State string

// States of batches.
const (
	StateOpen    State = "open"
	StateSealed  State = "sealed"
	StateClaimed State = "claimed"
	StateRetry   State = "retry"
)

type batch struct {
	id       sluice.BatchID
	messages []sluice.Message
	opened   time.Time
	state    State
	attempt  int
	token    string    // of the claim, when claimed
	due      time.Time // when the claim expires or the retry is due
}

// BatchState describes a batch to a test.
type BatchState struct {
	// ID is zero while the batch is open.
	ID       sluice.BatchID
	State    State
	Attempt  int
	Messages []sluice.Message
}

// push appends one message and returns how many batches that sealed.
func (f *fifo) push(m sluice.Message, p sluice.Policy, now time.Time) (sealed int) {
	size := int64(len(m.Payload))
	exceeds := p.MaxBytes > 0 && f.openBytes+size > p.MaxBytes
	if exceeds || (p.Max > 0 && len(f.open) >= p.Max) { // above Max: it was lowered
		sealed += f.seal()
	}
	if len(f.open) == 0 {
		f.opened = now
	}
	f.open = append(f.open, m)
	f.openBytes += size
	f.account.Received++
	if p.Max > 0 && len(f.open) >= p.Max {
		sealed += f.seal()
	}
	return sealed
}

// seal seals the open batch if it has messages and returns how many it sealed.
func (f *fifo) seal() int {
	if len(f.open) == 0 {
		return 0
	}
	f.batches = append(f.batches, &batch{id: sluice.NewBatchID(), messages: f.open, opened: f.opened, state: StateSealed})
	f.open, f.openBytes = nil, 0
	return 1
}

func (f *fifo) openAge(now time.Time) time.Duration {
	if len(f.open) == 0 {
		return 0
	}
	return now.Sub(f.opened)
}

// next returns the batch to claim; if there is none, the time until a claim
// expires or a retry is due, 0 when there is neither.
func (f *fifo) next(now time.Time, concurrency int) (b *batch, wait time.Duration) {
	var held []*batch // claimed or in retry
	for _, b := range f.batches {
		if b.state != StateSealed {
			held = append(held, b)
		}
	}
	if len(held) > 1 && f.halted != "" {
		held = held[:1] // only the oldest is tried
	}
	if b = firstDue(held, StateClaimed, now); b != nil {
		return b, 0
	}
	if b = firstDue(held, StateRetry, now); b != nil {
		return b, 0
	}
	if len(held) < max(concurrency, 1) && f.halted == "" {
		for _, b := range f.batches {
			if b.state == StateSealed {
				return b, 0
			}
		}
	}
	for _, b := range held {
		if left := b.due.Sub(now); wait == 0 || left < wait {
			wait = left
		}
	}
	return nil, wait
}

// firstDue returns the oldest batch of a state that is due, or nil.
func firstDue(batches []*batch, s State, now time.Time) *batch {
	for _, b := range batches {
		if b.state == s && !b.due.After(now) {
			return b
		}
	}
	return nil
}

func (f *fifo) remove(b *batch) {
	f.batches = slices.DeleteFunc(f.batches, func(other *batch) bool { return other == b })
}

func (f *fifo) drop(cause string, n int) {
	if f.account.Dropped == nil {
		f.account.Dropped = map[string]int64{}
	}
	f.account.Dropped[cause] += int64(n)
}

func (f *fifo) halt(reason string, now time.Time) {
	if f.halted == "" {
		f.haltedSince = now
	}
	if reason == "" {
		reason = "halted"
	}
	f.halted = reason
}

func (f *fifo) status(now time.Time) sluice.QueueStatus {
	s := sluice.QueueStatus{
		Queue: f.name, Account: f.account, Open: int64(len(f.open)), Batches: int64(len(f.batches)),
		OldestAge: f.openAge(now), Halted: f.halted, HaltedSince: f.haltedSince,
	}
	s.Account.Dropped = maps.Clone(s.Account.Dropped)
	s.Bytes = recordBytes(f.open)
	for _, b := range f.batches {
		n := int64(len(b.messages))
		switch b.state {
		case StateSealed:
			s.Sealed += n
		case StateClaimed:
			s.Claimed += n
		case StateRetry:
			s.Retry += n
		}
		s.Bytes += recordBytes(b.messages)
		s.OldestAge = max(s.OldestAge, now.Sub(b.opened))
	}
	return s
}

func (f *fifo) states() []BatchState {
	var out []BatchState
	for _, b := range f.batches {
		out = append(out, BatchState{ID: b.id, State: b.state, Attempt: b.attempt, Messages: cloneMessages(b.messages)})
	}
	if len(f.open) > 0 {
		out = append(out, BatchState{State: StateOpen, Messages: cloneMessages(f.open)})
	}
	return out
}

// recordBytes is the length of the messages' records in a frame.
func recordBytes(ms []sluice.Message) int64 {
	n := payloadBytes(ms)
	for _, m := range ms {
		n += int64(sluice.FrameHeader + len(m.Topic))
	}
	return n
}
