package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"sluice"
)

// outcome is what became of a batch, as the table of applied batches keeps it.
type outcome struct {
	Duplicates int          `json:"duplicates,omitempty"`
	Bad        []badMessage `json:"bad,omitempty"`
}

type badMessage struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
	Device string `json:"device,omitempty"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// EncodeOutcome returns the column's value: nil when every message was stored.
func EncodeOutcome(duplicates int, bad []sluice.BadMessage) ([]byte, error) {
	if duplicates == 0 && len(bad) == 0 {
		return nil, nil
	}
	o := outcome{Duplicates: duplicates, Bad: make([]badMessage, len(bad))}
	for i, b := range bad {
		o.Bad[i] = badMessage(b)
	}
	return json.Marshal(o)
}

// DecodeOutcome turns the column's value into what the handler returns. Every
// attempt returns this, the first one too, so that all return the same.
func DecodeOutcome(stored []byte) error {
	if stored == nil {
		return nil
	}
	var o outcome
	if err := json.Unmarshal(stored, &o); err != nil {
		return sluice.Halt(fmt.Errorf("outcome of an applied batch cannot be read: %w", err))
	}
	e := &sluice.BatchError{Duplicates: o.Duplicates}
	for _, b := range o.Bad {
		e.Bad = append(e.Bad, sluice.BadMessage(b))
	}
	return e
}

// OutcomeOf encodes what fn returned; an error that is no BatchError comes back.
func OutcomeOf(result error) ([]byte, error) {
	var partly *sluice.BatchError
	switch {
	case result == nil:
		return nil, nil
	case errors.As(result, &partly):
		return EncodeOutcome(partly.Duplicates, partly.Bad)
	}
	return nil, result
}
