package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/gen/sluicev1"
	"sluice/store"
)

const (
	fromDevices = `
SELECT f.name, d.device, d.state, d.generation, d.connected_at, d.seen_at, d.lost_at, d.down_at, d.cause, d.flapping, d.muted_until
FROM data.device d JOIN data.facility f USING (facility_id)`
	selectDevices = fromDevices + `
WHERE d.facility_id = ANY($1) AND (d.facility_id, d.device) > ($2, $3) AND ($4 = '' OR d.state = $4)
ORDER BY d.facility_id, d.device LIMIT $5`
)

// Devices returns devices by facility number and name.
func (q *Queries) Devices(ctx context.Context, query store.DeviceQuery) ([]*sluicev1.Device, error) {
	rows, _ := q.pool.Query(ctx, selectDevices, planned,
		query.Facilities, query.AfterFacility, store.Text(query.AfterDevice), store.StateWords[query.State], query.Limit)
	devices, err := pgx.CollectRows(rows, scanDevice)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return devices, nil
}

func scanDevice(row pgx.CollectableRow) (*sluicev1.Device, error) {
	var d sluicev1.Device
	var state, cause string
	var connected, seen, lost, down, muted *time.Time
	err := row.Scan(&d.Facility, &d.Device, &state, &d.Generation, &connected, &seen, &lost, &down, &cause, &d.Flapping, &muted)
	d.State, d.Cause = store.ValueOf(store.StateWords, state, 0), store.ValueOf(store.DownWords, cause, 0)
	d.ConnectedAt, d.SeenAt, d.LostAt, d.DownAt, d.MutedUntil = stamp(connected), stamp(seen), stamp(lost), stamp(down), stamp(muted)
	return &d, err
}

const outageColumns = "f.name, o.device, o.down_at, o.up_at, o.lost_at, o.cause, o.recovery, o.muted, o.flap, o.report_ids"

// Of one facility. The second look at down_at is for the index, which an OR would
// leave unused.
const selectOutages = "SELECT " + outageColumns + `
FROM data.outage o JOIN data.facility f USING (facility_id)
WHERE o.facility_id = $1 AND o.down_at <= $2 AND (o.down_at < $2 OR o.device > $3)
  AND ($4 = '' OR o.device = $4) AND (NOT $5 OR o.up_at IS NULL)
  AND ($6::timestamptz IS NULL OR o.down_at >= $6) AND ($7::timestamptz IS NULL OR o.down_at < $7)
ORDER BY o.down_at DESC, o.device LIMIT $8`

// Outages returns outages by facility number, the latest first, and the device's
// name.
func (q *Queries) Outages(ctx context.Context, query store.OutageQuery) (outages []*sluicev1.Outage, err error) {
	for _, facility := range query.Facilities {
		left := query.Limit - len(outages)
		if facility < query.AfterFacility || left == 0 {
			continue
		}
		rows, _ := q.pool.Query(ctx, selectOutages, append([]any{planned}, outageArguments(query, facility, left)...)...)
		outages, err = pgx.AppendRows(outages, rows, scanOutage)
		if err != nil {
			return nil, fmt.Errorf("read outages: %w", err)
		}
	}
	return outages, nil
}

func outageArguments(q store.OutageQuery, facility int32, limit int) []any {
	down, device := time.UnixMicro(math.MaxInt64/1000), "" // after every outage
	if facility == q.AfterFacility {
		down, device = time.UnixMicro(q.AfterDown), q.AfterDevice
	}
	return []any{facility, down, store.Text(device), store.Text(q.Device), q.Open, timeOrNull(q.From), timeOrNull(q.To), limit}
}

func scanOutage(row pgx.CollectableRow) (*sluicev1.Outage, error) {
	var o sluicev1.Outage
	var cause, recovery, flap string
	var down time.Time
	var up, lost *time.Time
	err := row.Scan(&o.Facility, &o.Device, &down, &up, &lost, &cause, &recovery, &o.Muted, &flap, &o.ReportIds)
	o.DownAt, o.UpAt, o.LostAt = stamp(&down), stamp(up), stamp(lost)
	o.Cause, o.Flap = store.ValueOf(store.DownWords, cause, 0), store.ValueOf(store.FlapWords, flap, 0)
	o.End = store.ValueOf(store.EndWords, recovery, sluicev1.OutageEnd_OUTAGE_END_UNKNOWN)
	return &o, err
}
