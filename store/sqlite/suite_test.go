package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"go.uber.org/goleak"

	"sluice"
	"sluice/internal/litefile"
	"sluice/internal/process"
	"sluice/store"
	"sluice/store/storetest"
)

func TestMain(m *testing.M) {
	if path, ok := os.LookupEnv(writerPath); ok {
		process.DieWithParent()
		os.Exit(writeOn(path))
	}
	goleak.VerifyTestMain(m)
}

// openAt opens the store in a file, until the test ends.
func openAt(t testing.TB, path string) *Store {
	t.Helper()
	f, err := litefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "sluice.db"))
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(t testing.TB) storetest.Store {
		s := newStore(t)
		return target{s, NewQueries(s)}
	})
}

// target is a Store as the suite drives it.
type target struct {
	*Store
	*Queries
}

func (s target) Sensor(q store.SensorQuery) storetest.Reader { return s.Queries.Sensor(q) }

func (s target) NewSensor(facility int32, epochMin time.Time, epochAhead time.Duration) sluice.Handler {
	return NewSensor(s.Store, facility, SensorConfig{EpochMin: epochMin, EpochAhead: epochAhead})
}

func (s target) NewDevices(facility int32) sluice.Handler { return NewDevices(s.Store, facility) }

func (s target) NewDead(facility int32) sluice.Handler { return NewDead(s.Store, facility) }

func (s target) Once(ctx context.Context, b *sluice.Batch, fn func(func(string) error) error) error {
	return s.Store.Once(ctx, b, func(_ context.Context, c *sqlite3.Conn) error { return fn(c.Exec) })
}

func (s target) Exec(ctx context.Context, sql string) error {
	return s.write(ctx, func(c *conn) error { return c.Exec(sql) })
}

func (s target) Count(ctx context.Context, sql string) (n int, err error) {
	err = s.read(ctx, func(c *conn) error {
		_, err := c.row(sql, nil, func(r *sqlite3.Stmt) { n = r.ColumnInt(0) })
		return err
	})
	return n, err
}

func (s target) Age(ctx context.Context, by time.Duration) error {
	return s.Exec(ctx, fmt.Sprintf(`UPDATE applied_batch SET applied_at = applied_at - %d; UPDATE dead_letter SET stored_at = stored_at - %[1]d`, by.Microseconds()))
}

func (s target) RefuseHot(ctx context.Context) error {
	return s.Exec(ctx, `CREATE TRIGGER hot BEFORE INSERT ON sensor WHEN NEW.temp >= 100 BEGIN SELECT RAISE(ABORT, 'too hot'); END`)
}

func (s target) LoseReadings(ctx context.Context) error {
	return s.Exec(ctx, `ALTER TABLE sensor RENAME TO other`)
}

func (s target) FindReadings(ctx context.Context) error {
	return s.Exec(ctx, `ALTER TABLE other RENAME TO sensor`)
}

func (s target) SetBackCounter(ctx context.Context) error {
	return s.Exec(ctx, `UPDATE facility SET last_id = 0`)
}

func (s target) RestoreCounter(ctx context.Context) error {
	return s.Exec(ctx, `UPDATE facility SET last_id = (SELECT max(entry_id) FROM sensor s WHERE s.facility_id = facility.facility_id)`)
}

// Tables implements storetest.Store.
func (s target) Tables(ctx context.Context, facility int32) (all storetest.Tables, err error) {
	args := []any{facility}
	err = s.read(ctx, func(c *conn) error {
		err := c.each(`SELECT device, state, generation, connected_at, seen_at, lost_at, down_at, cause, flapping, muted_until, version
			FROM device WHERE facility_id = ? ORDER BY device`, args, func(r *sqlite3.Stmt) error {
			all.Devices = append(all.Devices, storetest.DeviceRow{
				Device: r.ColumnText(0), State: r.ColumnText(1), Generation: r.ColumnInt64(2), Connected: r.ColumnInt64(3), Seen: r.ColumnInt64(4),
				Lost: r.ColumnInt64(5), Down: r.ColumnInt64(6), Cause: r.ColumnText(7), Flapping: r.ColumnBool(8), Muted: r.ColumnInt64(9), Version: r.ColumnInt64(10),
			})
			return nil
		})
		if err != nil {
			return err
		}
		err = c.each(`SELECT device, down_at, up_at, lost_at, cause, recovery, muted, flap, report_ids
			FROM outage WHERE facility_id = ? ORDER BY device, down_at`, args, func(r *sqlite3.Stmt) error {
			all.Outages = append(all.Outages, storetest.OutageRow{
				Device: r.ColumnText(0), Down: r.ColumnInt64(1), Up: r.ColumnInt64(2), Lost: r.ColumnInt64(3), Cause: r.ColumnText(4),
				Recovery: r.ColumnText(5), Muted: r.ColumnBool(6), Flap: r.ColumnText(7), Reports: slices.Clone(reportIDs(r, 8)),
			})
			return nil
		})
		if err != nil {
			return err
		}
		return c.each(`SELECT at, started_at FROM broker_restart WHERE facility_id = ? ORDER BY at`, args, func(r *sqlite3.Stmt) error {
			all.Restarts = append(all.Restarts, storetest.RestartRow{At: r.ColumnInt64(0), Started: r.ColumnInt64(1)})
			return nil
		})
	})
	return all, err
}
