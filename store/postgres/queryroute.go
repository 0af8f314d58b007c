package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/gen/sluicev1"
	"sluice/store"
)

const (
	fromRoutes = `
SELECT f.name, r.route, r.received, r.stored, r.duplicate, r.dead, r.dropped, r.queued, r.batches, r.bytes,
       r.oldest_age, r.rate, r.halted, r.halted_since, r.updated_at
FROM sluice.route_status r JOIN data.facility f USING (facility_id)`
	selectRoutes = fromRoutes + `
WHERE r.facility_id = ANY($1) AND (r.facility_id, r.route) > ($2, $3)
ORDER BY r.facility_id, r.route LIMIT $4`
)

// Routes returns the state of routes by facility number and name of the queue.
func (q *Queries) Routes(ctx context.Context, query store.RouteQuery) ([]*sluicev1.Route, error) {
	rows, _ := q.pool.Query(ctx, selectRoutes, planned, query.Facilities, query.AfterFacility, store.Text(query.AfterRoute), query.Limit)
	routes, err := pgx.CollectRows(rows, scanRoute)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	return routes, nil
}

func scanRoute(row pgx.CollectableRow) (*sluicev1.Route, error) {
	var r sluicev1.Route
	var since *time.Time
	var updated time.Time
	err := row.Scan(&r.Facility, &r.Route, &r.Received, &r.Stored, &r.Duplicate, &r.Dead, &r.Dropped, &r.Queued, &r.Batches, &r.Bytes,
		&r.OldestAge, &r.Rate, &r.Halted, &since, &updated)
	r.HaltedSince, r.UpdatedAt = stamp(since), stamp(&updated)
	return &r, err
}

const (
	// maxDeadPayload is the largest payload that DeadLetters gives, in bytes.
	maxDeadPayload = 64 << 10
	// maxDeadPage is how many bytes of payloads end a page of dead letters.
	maxDeadPage = 1 << 20
)

// The sum runs along the index and ends with the LIMIT; a length is known without
// reading the payload.
const selectDeadPage = `
SELECT w.id, f.name, w.route, w.device, w.topic, CASE WHEN w.size <= $7 THEN w.payload END, w.size,
       w.received, w.reason, w.code, w.detail, w.at, w.total
FROM (
    SELECT d.*, octet_length(d.payload)::bigint AS size,
           sum(CASE WHEN octet_length(d.payload) <= $7 THEN octet_length(d.payload)::bigint ELSE 0 END)
               OVER (ORDER BY d.id DESC ROWS UNBOUNDED PRECEDING)::bigint AS total
    FROM sluice.dead_letter d
    WHERE d.facility_id = ANY($1) AND ($2 = 0 OR d.id < $2)
      AND ($3 = '' OR d.route = $3) AND ($4 = '' OR d.device = $4) AND ($5 = '' OR d.reason = $5)
    ORDER BY d.id DESC LIMIT $6
) w JOIN data.facility f USING (facility_id)
WHERE w.total - CASE WHEN w.size <= $7 THEN w.size ELSE 0 END < $8
ORDER BY w.id DESC`

// DeadLetters returns dead letters, the latest first, and whether there may be
// more. Payloads of more than 64 KiB are left out, and a page ends early after
// 1 MiB of them.
func (q *Queries) DeadLetters(ctx context.Context, query store.DeadQuery) (letters []*sluicev1.DeadLetter, more bool, err error) {
	rows, _ := q.pool.Query(ctx, selectDeadPage, planned, query.Facilities, query.Before, store.Text(query.Route), store.Text(query.Device),
		store.Text(query.Reason), query.Limit, int64(maxDeadPayload), int64(maxDeadPage))
	var total int64
	letters, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*sluicev1.DeadLetter, error) {
		var l sluicev1.DeadLetter
		var received, at time.Time
		err := row.Scan(&l.Id, &l.Facility, &l.Route, &l.Device, &l.Topic, &l.Payload, &l.PayloadSize,
			&received, &l.Reason, &l.Code, &l.Detail, &at, &total)
		l.Received, l.At = stamp(&received), stamp(&at)
		return &l, err
	})
	if err != nil {
		return nil, false, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, len(letters) == query.Limit || total >= maxDeadPage, nil
}
