package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/store"
)

const upsertStatus = `
INSERT INTO sluice.route_status (facility_id, route, received, stored, duplicate, dead, dropped,
    queued, batches, bytes, oldest_age, rate, halted, halted_since)
SELECT $1::int, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::jsonb[],
    $8::bigint[], $9::bigint[], $10::bigint[], $11::float8[], $12::float8[], $13::text[], $14::timestamptz[])
ON CONFLICT (facility_id, route) DO UPDATE SET
    received = excluded.received, stored = excluded.stored, duplicate = excluded.duplicate,
    dead = excluded.dead, dropped = excluded.dropped, queued = excluded.queued,
    batches = excluded.batches, bytes = excluded.bytes, oldest_age = excluded.oldest_age,
    rate = excluded.rate, halted = excluded.halted, halted_since = excluded.halted_since,
    updated_at = now()`

// WriteRouteStatus records the state of routes in sluice.route_status, where the
// api reads it: one row per facility and route, the last writer's values. One
// statement; safe to call from several routers at once.
func WriteRouteStatus(ctx context.Context, pool *pgxpool.Pool, facility int32, routes []store.RouteStatus) error {
	var c statusColumns
	// All writers lock the rows in one order, so that none waits in a circle.
	for _, r := range slices.SortedFunc(slices.Values(routes), byQueue) {
		if err := c.add(r); err != nil {
			return fmt.Errorf("write route status: %w", err)
		}
	}
	if _, err := pool.Exec(ctx, upsertStatus, c.arguments(facility)...); err != nil {
		return fmt.Errorf("write route status: %w", err)
	}
	return nil
}

func byQueue(a, b store.RouteStatus) int { return strings.Compare(a.Queue, b.Queue) }

// statusColumns are the columns of route_status, one element per route.
type statusColumns struct {
	route                             []string
	received, stored, duplicate, dead []int64
	dropped                           []string
	queued, batches, bytes            []int64
	oldest, rate                      []float64
	halted                            []string
	since                             []*time.Time
}

func (c *statusColumns) add(r store.RouteStatus) error {
	dropped := []byte("{}")
	if len(r.Account.Dropped) > 0 {
		var err error
		if dropped, err = json.Marshal(r.Account.Dropped); err != nil {
			return err
		}
	}
	c.route, c.dropped = append(c.route, store.Text(r.Queue)), append(c.dropped, string(dropped))
	c.received, c.stored = append(c.received, r.Account.Received), append(c.stored, r.Account.Stored)
	c.duplicate, c.dead = append(c.duplicate, r.Account.Duplicate), append(c.dead, r.Account.Dead)
	c.queued, c.batches = append(c.queued, r.Queued()), append(c.batches, r.Batches)
	c.bytes, c.oldest = append(c.bytes, r.Bytes), append(c.oldest, r.OldestAge.Seconds())
	c.rate, c.halted = append(c.rate, r.Rate), append(c.halted, store.Text(r.Halted))
	c.since = append(c.since, timeOrNull(r.HaltedSince))
	return nil
}

func (c *statusColumns) arguments(facility int32) []any {
	return []any{
		facility, c.route, c.received, c.stored, c.duplicate, c.dead, c.dropped,
		c.queued, c.batches, c.bytes, c.oldest, c.rate, c.halted, c.since,
	}
}
