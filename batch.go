package sluice

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

// BatchID identifies a sealed batch: 128 random bits, so that a wiped store
// never repeats an id that a database has already applied.
type BatchID [16]byte

// NewBatchID returns a random id. Safe for concurrent use.
func NewBatchID() (id BatchID) {
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

// String returns the id as 32 hexadecimal digits.
func (id BatchID) String() string { return hex.EncodeToString(id[:]) }

// ParseBatchID is the inverse of BatchID.String.
func ParseBatchID(s string) (id BatchID, err error) {
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("batch id %q: want %d hexadecimal digits", s, 2*len(id))
	}
	_, err = hex.Decode(id[:], []byte(s))
	return id, err
}

// MarshalText gives the id as String does, also in JSON.
func (id BatchID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *BatchID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseBatchID(string(text))
	return err
}

// Batch is what a handler receives: messages of one route that were sealed
// together, in the order in which they were received. It is the same set of
// messages under the same id at every attempt.
type Batch struct {
	ID BatchID
	// Route is the name of the queue.
	Route string
	// Attempt counts from 1.
	Attempt  int
	Messages []Message
	// Note is what Keep stored last in the batch's queue, by whatever batch; nil at
	// first. Do not change it.
	Note []byte

	filters []Filter
	keep    func(ctx context.Context, note []byte) error
}

// Keep stores a note of a few KiB with the batch's queue, durably: what the next
// attempt, or the next batch, should know. It is for routes of concurrency 1. An
// error means that it may not be stored; ErrLost that another worker has the
// batch.
func (b *Batch) Keep(ctx context.Context, note []byte) error {
	if b.keep != nil {
		if err := b.keep(ctx, note); err != nil {
			return err
		}
	}
	b.Note = note
	return nil
}

// WithKeep returns b with the function behind Keep. The router sets it; tests of
// handlers may. Without one Keep only sets Note.
func (b *Batch) WithKeep(keep func(ctx context.Context, note []byte) error) *Batch {
	b.keep = keep
	return b
}

// Capture returns the part of message i's topic that {name} stands for in the
// route's filter, or "" when the filter that matches it has no such capture.
func (b *Batch) Capture(i int, name string) string {
	topic := b.Messages[i].Topic
	for _, f := range b.filters {
		if v, ok := f.Capture(topic, name); ok {
			return v
		}
	}
	return ""
}

// WithFilters returns b with the filters that Capture consults. The router sets
// them; tests of handlers may.
func (b *Batch) WithFilters(filters ...Filter) *Batch {
	b.filters = filters
	return b
}

// DeadLetter is a message that can never be handled, with the reason.
type DeadLetter struct {
	// Batch and Index name the message; Batch is zero when it was refused at
	// ingest, before it was in a batch.
	Batch BatchID `json:"batch"`
	Index int     `json:"index"`
	Route string  `json:"route"`
	// Device is who sent it as far as that is known, else "". It comes from
	// outside and may be anything.
	Device   string    `json:"device,omitempty"`
	Topic    string    `json:"topic"`
	Payload  []byte    `json:"payload"`
	Received time.Time `json:"received"`
	// Reason is a short constant (ReasonDecode, ...), fit for a metric label.
	Reason string `json:"reason"`
	// Code is the SQLSTATE where a database refused it, else "".
	Code string `json:"code,omitempty"`
	// Detail says more to a person.
	Detail string `json:"detail,omitempty"`
	// At is when it was given up.
	At time.Time `json:"at"`
}

// Reasons of dead letters. Handlers may use others of their own.
const (
	ReasonDecode     = "decode"       // the payload is not what the route expects
	ReasonDeviceName = "device_name"  // the device's name breaks the rule
	ReasonIdentity   = "identity"     // topic and payload name different devices
	ReasonNotFinite  = "not_finite"   // NaN or infinity
	ReasonEpoch      = "epoch"        // the reading's time is out of range
	ReasonConflict   = "conflict"     // same device and time as a stored row, other values
	ReasonData       = "data"         // the database refused the row itself
	ReasonTooLarge   = "too_large"    // payload above the route's limit
	ReasonPermanent  = "permanent"    // the handler gave up the whole batch
	ReasonDevices    = "device_limit" // more devices than may be known
)

// Causes of messages that are acknowledged, counted and not stored.
const (
	DropOverlap    = "overlap"    // the broker's copy for another, overlapping filter
	DropRedelivery = "redelivery" // the broker sent again what is already stored
	DropRetained   = "retained"   // replay of a retained message
	DropDeadQuota  = "dead_quota" // dead letter of a device above its quota
	DropUnstorable = "unstorable" // a dead letter that the database refused for good
)
