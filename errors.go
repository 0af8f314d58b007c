package sluice

import (
	"errors"
	"fmt"
	"time"
)

// Errors of a Queue. Compare with errors.Is.
var (
	// ErrFull: the store refuses more messages for lack of memory. Nothing was
	// stored; the same group may be appended again later.
	ErrFull = errors.New("queue is full")
	// ErrFenced: the ingest lease was taken by another holder.
	ErrFenced = errors.New("ingest lease lost")
	// ErrHeld: another holder has the ingest lease.
	ErrHeld = errors.New("ingest lease held by another")
	// ErrLost: the claim on a batch has ended, by completion or by another worker; or a
	// client has a newer connection.
	ErrLost = errors.New("claim lost")
)

// Permanent wraps the error of a handler for a batch that can never succeed:
// every message of it becomes a dead letter with ReasonPermanent. Permanent(nil)
// is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Halt wraps the error of a handler that an operator has to mend (a missing
// table, a refused password): the route keeps all its batches and its oldest
// batch is tried again every few seconds until it succeeds. Halt(nil) is nil.
func Halt(err error) error {
	if err == nil {
		return nil
	}
	return &haltError{err}
}

type haltError struct{ err error }

func (e *haltError) Error() string { return e.err.Error() }
func (e *haltError) Unwrap() error { return e.err }

// RetryAfter wraps the error of a handler for a batch that is to be tried again
// after d, at least 1 ms, instead of the usual growing delay. RetryAfter(nil, d) is
// nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, max(d, time.Millisecond)}
}

type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// BatchError is what a handler returns when it has handled a batch except for
// some messages: the bad ones become dead letters, the rest counts as stored.
type BatchError struct {
	// Bad lists each bad message once, in any order.
	Bad []BadMessage
	// Duplicates counts messages that had been stored before and were not stored
	// again. They are not bad.
	Duplicates int
}

// BadMessage names one message of a batch and why it can never be handled.
type BadMessage struct {
	// Index is the message's place in Batch.Messages.
	Index int
	// Reason is a short constant such as ReasonDecode, fit for a metric label.
	Reason string
	// Device is who sent it as far as the handler knows, else "".
	Device string
	// Code is the SQLSTATE where a database refused it, else "".
	Code string
	// Detail says more to a person, else "".
	Detail string
}

func (e *BatchError) Error() string {
	if len(e.Bad) == 0 {
		return fmt.Sprintf("%d duplicate messages", e.Duplicates)
	}
	return fmt.Sprintf("%d bad messages (first: index %d, %s), %d duplicate", len(e.Bad), e.Bad[0].Index, e.Bad[0].Reason, e.Duplicates)
}
