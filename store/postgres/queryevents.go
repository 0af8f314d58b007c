package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"sluice/gen/sluicev1"
)

// writtenSince chooses rows by the transaction that wrote them: every one that was
// not committed yet at the mark, however long its transaction took, and of those
// that were a few. Times of writing could not tell: a transaction is seen long
// after its now(). For tables of which each row is looked at anyway.
func writtenSince(row string) string {
	return " WHERE age(" + row + ".xmin) <= age($1::text::xid8::xid)"
}

// Mark names this moment for the methods Changed..., which then miss nothing that
// is committed afterwards. It stays good over a restart of the database.
func (q *Queries) Mark(ctx context.Context) (mark string, err error) {
	err = q.pool.QueryRow(ctx, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text").Scan(&mark)
	if err != nil {
		return "", fmt.Errorf("mark: %w", err)
	}
	return mark, nil
}

// ChangedDevices returns the devices that were written since mark, in any order.
// It looks at every row of data.device, about 0.1 us each.
func (q *Queries) ChangedDevices(ctx context.Context, mark string) ([]*sluicev1.Device, error) {
	rows, _ := q.pool.Query(ctx, fromDevices+writtenSince("d"), mark)
	devices, err := pgx.CollectRows(rows, scanDevice)
	if err != nil {
		return nil, fmt.Errorf("read changed devices: %w", err)
	}
	return devices, nil
}

// Of each device the latest outages: older ones do not change.
var selectChangedOutages = "SELECT " + outageColumns + `
FROM unnest($2::text[], $3::text[]) AS u(facility, device)
JOIN data.facility f ON f.name = u.facility
CROSS JOIN LATERAL (
    SELECT *, xmin FROM data.outage WHERE facility_id = f.facility_id AND device = u.device ORDER BY down_at DESC LIMIT 8
) o` + writtenSince("o") + " ORDER BY o.down_at"

// ChangedOutages returns the outages of these devices, of each among its last
// eight, that were written since mark, the earliest first.
func (q *Queries) ChangedOutages(ctx context.Context, mark string, of []*sluicev1.Device) ([]*sluicev1.Outage, error) {
	facilities := column(of, func(d **sluicev1.Device) string { return (*d).Facility })
	names := column(of, func(d **sluicev1.Device) string { return (*d).Device })
	rows, _ := q.pool.Query(ctx, selectChangedOutages, mark, facilities, names)
	outages, err := pgx.CollectRows(rows, scanOutage)
	if err != nil {
		return nil, fmt.Errorf("read changed outages: %w", err)
	}
	return outages, nil
}

// ChangedRoutes returns the state of the routes that were written since mark, in
// any order.
func (q *Queries) ChangedRoutes(ctx context.Context, mark string) ([]*sluicev1.Route, error) {
	rows, _ := q.pool.Query(ctx, fromRoutes+writtenSince("r"), mark)
	routes, err := pgx.CollectRows(rows, scanRoute)
	if err != nil {
		return nil, fmt.Errorf("read changed routes: %w", err)
	}
	return routes, nil
}
