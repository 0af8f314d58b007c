package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/store/storetest"
)

func stateOf(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// What an operator broke halts the route, loses no message, and is over as soon
// as it is mended.
func TestSensor_OperatorsMistakesHalt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, spoil, mend string
		code, says        string
	}{
		{"table gone", "ALTER TABLE data.sensor RENAME TO other", "ALTER TABLE data.other RENAME TO sensor", "42P01", "sluice db migrate"},
		{"column gone", "ALTER TABLE data.sensor RENAME rh TO other", "ALTER TABLE data.sensor RENAME other TO rh", "42703", "sluice db migrate"},
		{"schema gone", "ALTER SCHEMA data RENAME TO other", "ALTER SCHEMA other RENAME TO data", "3F000|42P01", "sluice db migrate"},
		{"column of a wider type", "ALTER TABLE data.sensor ALTER temp TYPE float8", "ALTER TABLE data.sensor ALTER temp TYPE real", "08P01", "types"},
		{"column of a narrower type", "ALTER TABLE data.sensor ALTER epoch TYPE int", "ALTER TABLE data.sensor ALTER epoch TYPE bigint", "22P03", "types"},
		{"applied batches gone", "ALTER TABLE sluice.applied_batch RENAME TO other", "ALTER TABLE sluice.other RENAME TO applied_batch", "42P01", "sluice db migrate"},
		{
			"foreign key", "CREATE TABLE data.room (device varchar(64) COLLATE \"C\" PRIMARY KEY); ALTER TABLE data.sensor ADD FOREIGN KEY (device) REFERENCES data.room",
			"DROP TABLE data.room CASCADE", "23503", "",
		},
		{"entry counter behind", "INSERT INTO data.sensor SELECT g, 1, 'x', 1, 1, g FROM generate_series(1, 10) g", "UPDATE sluice.entry_counter SET last_id = 10", "23505", "set the facility's last_id"},
		{"entry counter gone", "DELETE FROM sluice.entry_counter", "INSERT INTO sluice.entry_counter VALUES (1, 0)", "", "restart the router"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, pool := newSink(t)
			exec(t, pool, tc.spoil)
			b := storetest.Readings("dev-1", storetest.Epoch, 20)
			for b.Attempt = 1; b.Attempt <= 2; b.Attempt++ {
				err := s.Handle(t.Context(), b)
				if !storetest.IsHalt(err) || !strings.Contains(tc.code, stateOf(err)) || !strings.Contains(err.Error(), tc.says) {
					t.Fatalf("got %v, want a halt of %s that says %q", err, tc.code, tc.says)
				}
			}
			exec(t, pool, tc.mend)
			storetest.WantOutcome(t, s.Handle(t.Context(), b), 0)
			if got := query[int](t, pool, "SELECT count(*) FROM data.sensor WHERE device = 'dev-1'"); got != 20 {
				t.Errorf("got %d rows after the repair, want 20", got)
			}
		})
	}
}

func TestSensor_RefusedLoginsAndRightsHalt(t *testing.T) {
	t.Parallel()
	_, pool := newSink(t)
	url := pool.Config().ConnString()
	exec(t, pool, `DO $$ BEGIN CREATE ROLE sluice_test_nobody LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	for name, tc := range map[string]struct {
		pool *pgxpool.Pool
		code string
	}{
		"no rights":    {newPool(t, strings.Replace(url, "postgres@", "sluice_test_nobody@", 1)), "42501"},
		"no such user": {newPool(t, strings.Replace(url, "postgres@", "sluice_test_unknown@", 1)), "28000"},
		"no database":  {newPool(t, strings.Replace(url, pool.Config().ConnConfig.Database, "sluice_none", 1)), "3D000"},
	} {
		err := NewSensor(tc.pool, 1, SensorConfig{}).Handle(t.Context(), storetest.Readings("dev-1", storetest.Epoch, 1))
		if !storetest.IsHalt(err) || stateOf(err) != tc.code {
			t.Errorf("%s: got %v, want a halt of %s", name, err, tc.code)
		}
	}
}

func TestSensor_UnknownErrorHaltsAtTheFifthAttempt(t *testing.T) {
	t.Parallel()
	s, pool := newSink(t)
	exec(t, pool, `CREATE FUNCTION data.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON data.sensor FOR EACH ROW EXECUTE FUNCTION data.refuse()`)
	b := storetest.Readings("dev-1", storetest.Epoch, 1)
	for b.Attempt = 1; b.Attempt <= 6; b.Attempt++ {
		err := s.Handle(t.Context(), b)
		if storetest.IsHalt(err) != (b.Attempt >= 5) || stateOf(err) != "P0001" {
			t.Errorf("attempt %d: got %v", b.Attempt, err)
		}
	}
}

func TestSensor_ReadOnlyServerIsTriedForEver(t *testing.T) {
	t.Parallel()
	_, pool := newSink(t)
	readOnly := newPool(t, pool.Config().ConnString()+"&default_transaction_read_only=on")
	b := storetest.Readings("dev-1", storetest.Epoch, 1)
	b.Attempt = 1000
	err := NewSensor(readOnly, 1, SensorConfig{}).Handle(t.Context(), b)
	if err == nil || storetest.IsHalt(err) || stateOf(err) != "25006" {
		t.Errorf("got %v, want 25006, not halted", err)
	}
}
