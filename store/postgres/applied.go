package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"sluice"
)

const (
	// claimBatch stores the id of a batch and its outcome. It waits while another
	// transaction is about to do the same, and inserts nothing when one has.
	claimBatch = `
INSERT INTO sluice.applied_batch (id, facility_id, outcome) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING`
	findBatch = `SELECT outcome FROM sluice.applied_batch WHERE id = $1`
	begin     = `BEGIN ISOLATION LEVEL READ COMMITTED` // after a lock, a statement sees what the holder wrote
)

// outcome is what became of a batch, as applied_batch keeps it.
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

// encodeOutcome returns the column's value: nil when every message was stored.
func encodeOutcome(duplicates int, bad []sluice.BadMessage) ([]byte, error) {
	if duplicates == 0 && len(bad) == 0 {
		return nil, nil
	}
	o := outcome{Duplicates: duplicates, Bad: make([]badMessage, len(bad))}
	for i, b := range bad {
		o.Bad[i] = badMessage(b)
	}
	return json.Marshal(o)
}

// decodeOutcome turns the column's value into what the handler returns. Every
// attempt returns this, the first one too, so that all return the same.
func decodeOutcome(stored []byte) error {
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

// storedOutcome reads what an earlier transaction stored for the batch; ok is
// false when there is none.
func storedOutcome(ctx context.Context, q querier, id sluice.BatchID) (stored []byte, ok bool, err error) {
	err = q.QueryRow(ctx, findBatch, [16]byte(id)).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return stored, err == nil, err
}

// querier is what a connection, a transaction and a pool have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
