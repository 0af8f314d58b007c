package postgres

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/store"
	"sluice/store/storetest"
)

// target is a database as the suite drives it.
type target struct {
	*Queries

	pool *pgxpool.Pool
}

func (s target) Sensor(q store.SensorQuery) storetest.Reader { return s.Queries.Sensor(q) }

func (s target) Facility(ctx context.Context, name string) (int32, error) {
	return Facility(ctx, s.pool, name)
}

func (s target) NewSensor(facility int32, epochMin time.Time, epochAhead time.Duration) sluice.Handler {
	return NewSensor(s.pool, facility, SensorConfig{EpochMin: epochMin, EpochAhead: epochAhead})
}

func (s target) NewDevices(facility int32) sluice.Handler { return NewDevices(s.pool, facility) }

func (s target) NewDead(facility int32) sluice.Handler { return NewDead(s.pool, facility) }

func (s target) Once(ctx context.Context, b *sluice.Batch, fn func(func(string) error) error) error {
	return Once(ctx, s.pool, b, func(ctx context.Context, tx pgx.Tx) error {
		return fn(func(sql string) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
	})
}

func (s target) WriteRouteStatus(ctx context.Context, facility int32, routes []store.RouteStatus) error {
	return WriteRouteStatus(ctx, s.pool, facility, routes)
}

func (s target) Prune(ctx context.Context, facility int32, keep time.Duration) (int64, error) {
	return Prune(ctx, s.pool, facility, keep)
}

func (s target) ListDead(ctx context.Context, f store.DeadFilter, before int64, limit int) ([]store.StoredDead, error) {
	return ListDead(ctx, s.pool, f, before, limit)
}

func (s target) GetDead(ctx context.Context, ids ...int64) ([]store.StoredDead, error) {
	return GetDead(ctx, s.pool, ids...)
}

func (s target) DropDead(ctx context.Context, ids ...int64) (int64, error) {
	return DropDead(ctx, s.pool, ids...)
}

func (s target) Exec(ctx context.Context, sql string) error {
	_, err := s.pool.Exec(ctx, sql)
	return err
}

func (s target) Count(ctx context.Context, sql string) (n int, err error) {
	err = s.pool.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

func (s target) Age(ctx context.Context, by time.Duration) error {
	return s.Exec(ctx, fmt.Sprintf(`UPDATE sluice.applied_batch SET applied_at = applied_at - interval '%[1]d us';
		UPDATE sluice.dead_letter SET stored_at = stored_at - interval '%[1]d us'`, by.Microseconds()))
}

func (s target) RefuseHot(ctx context.Context) error {
	return s.Exec(ctx, "ALTER TABLE data.sensor ADD CHECK (temp < 100)")
}

func (s target) LoseReadings(ctx context.Context) error {
	return s.Exec(ctx, "ALTER TABLE data.sensor RENAME TO other")
}

func (s target) FindReadings(ctx context.Context) error {
	return s.Exec(ctx, "ALTER TABLE data.other RENAME TO sensor")
}

func (s target) SetBackCounter(ctx context.Context) error {
	return s.Exec(ctx, "UPDATE sluice.entry_counter SET last_id = 0")
}

func (s target) RestoreCounter(ctx context.Context) error {
	return s.Exec(ctx, "UPDATE sluice.entry_counter c SET last_id = (SELECT max(entry_id) FROM data.sensor s WHERE s.facility_id = c.facility_id)")
}

// Tables implements storetest.Store.
func (s target) Tables(ctx context.Context, facility int32) (all storetest.Tables, err error) {
	all.Devices, err = rowsOf(ctx, s, facility, pgx.RowToStructByPos[storetest.DeviceRow], `SELECT device, state, generation, @connected_at, @seen_at,
		@lost_at, @down_at, cause, flapping, @muted_until, version FROM data.device WHERE facility_id = $1 ORDER BY device`)
	if err != nil {
		return all, err
	}
	all.Outages, err = rowsOf(ctx, s, facility, pgx.RowToStructByPos[storetest.OutageRow], `SELECT device, @down_at, @up_at, @lost_at,
		cause, recovery, muted, flap, report_ids FROM data.outage WHERE facility_id = $1 ORDER BY device, data.outage.down_at`)
	if err != nil {
		return all, err
	}
	all.Restarts, err = rowsOf(ctx, s, facility, pgx.RowToStructByPos[storetest.RestartRow],
		`SELECT @at, @started_at FROM data.broker_restart WHERE facility_id = $1 ORDER BY broker_restart.at`)
	return all, err
}

var timeColumn = regexp.MustCompile(`@(\w+)`)

// rowsOf selects rows of the facility $1; @column is a time in microseconds.
func rowsOf[T any](ctx context.Context, s target, facility int32, scan pgx.RowToFunc[T], sql string) ([]T, error) {
	sql = timeColumn.ReplaceAllString(sql, "coalesce((extract(epoch FROM ${1}) * 1000000)::bigint, 0)")
	rows, _ := s.pool.Query(ctx, sql, facility)
	return pgx.CollectRows(rows, scan)
}
