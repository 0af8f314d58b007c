package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// ErrNotNext refuses readings that do not follow on those which are stored.
var ErrNotNext = errors.New("the readings do not follow on those that the facility has here")

// Import adds readings that have entry ids already, of another store: those of chunks,
// in order, which must follow on the last one that the facility has. They and its
// counter are one transaction. No router of the facility may run.
func Import(ctx context.Context, pool *pgxpool.Pool, facility int32, chunks []*sluicev1.SensorChunk) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var last int64
		err := tx.QueryRow(ctx, "SELECT last_id FROM sluice.entry_counter WHERE facility_id = $1 FOR UPDATE", facility).Scan(&last)
		if err != nil {
			return fmt.Errorf("entry counter: %w", err)
		}
		for _, c := range chunks {
			if len(c.EntryId) == 0 || c.EntryId[0] != last+1 {
				return ErrNotNext
			}
			if err := copyChunk(ctx, tx, facility, c); err != nil {
				return err
			}
			last = c.EntryId[len(c.EntryId)-1]
		}
		_, err = tx.Exec(ctx, "UPDATE sluice.entry_counter SET last_id = $2 WHERE facility_id = $1", facility, last)
		return err
	})
}

func copyChunk(ctx context.Context, tx pgx.Tx, facility int32, c *sluicev1.SensorChunk) error {
	columns := []string{"facility_id", "entry_id", "device", "temp", "rh", "epoch"}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"data", "sensor"}, columns, pgx.CopyFromSlice(len(c.EntryId), func(i int) ([]any, error) {
		return []any{facility, c.EntryId[i], c.Device[i], c.Temp[i], c.Rh[i], c.Epoch[i]}, nil
	}))
	return err
}

const insertImported = `
INSERT INTO data.outage (facility_id, device, down_at, up_at, lost_at, cause, recovery, muted, flap, report_ids)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`

// ImportOutages adds outages of another store; one that is here already stays.
func ImportOutages(ctx context.Context, pool *pgxpool.Pool, facility int32, outages []*sluicev1.Outage) error {
	var b pgx.Batch
	for _, o := range outages {
		ids := o.GetReportIds()
		if ids == nil {
			ids = []string{}
		}
		b.Queue(insertImported, facility, o.GetDevice(), o.GetDownAt().AsTime(), timeOf(o.GetUpAt()), timeOf(o.GetLostAt()),
			store.DownWords[o.GetCause()], store.EndWords[o.GetEnd()], o.GetMuted(), store.FlapWords[o.GetFlap()], ids)
	}
	return pool.SendBatch(ctx, &b).Close()
}

// timeOf is t for a column that may be null.
func timeOf(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime()
	return &at
}
