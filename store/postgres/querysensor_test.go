package postgres

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/store"
	"sluice/store/storetest"
)

// fill stores n readings of each facility: of 7 devices in turn, one per second,
// every tenth an hour late.
func fill(t testing.TB, pool *pgxpool.Pool, n int, facilities ...string) {
	t.Helper()
	for i, name := range facilities {
		id, err := Facility(t.Context(), pool, name)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, pool, `INSERT INTO data.sensor SELECT i, $1, 'dev-' || i % 7, i / 4.0, $3::int, $4::bigint + i - CASE WHEN i % 10 = 0 THEN 3600 ELSE 0 END
			FROM generate_series(1, $2::int) i`, id, n, i, storetest.Epoch)
	}
	exec(t, pool, "ANALYZE data.sensor")
}

// Between two pages a reader holds no connection, so a pool of one serves many
// slow readers, and no transaction.
func TestQueries_Sensor_SlowReadersHoldNothing(t *testing.T) {
	t.Parallel()
	url := testenv.Database(t)
	fill(t, migrated(t, url), 10_000, "plant-1")
	pool := newPool(t, url+"&pool_max_conns=1")
	queries := NewQueries(pool)
	var readers []*SensorReader
	for range 20 {
		r := queries.Sensor(store.SensorQuery{Facilities: []int32{1}})
		storetest.ReadAll(t, r, 1000)
		readers = append(readers, r)
	}
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are held", n)
	}
	for _, r := range readers {
		if rows := storetest.ReadAll(t, r, 1<<40); len(rows) != 9000 {
			t.Errorf("got %d rows, want 9000", len(rows))
		}
	}
}

func TestQueries_Sensor_DatabaseAway(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	pool := migrated(t, server.Database())
	fill(t, pool, 10_000, "plant-1")
	r := NewQueries(pool).Sensor(store.SensorQuery{Facilities: []int32{1}})
	storetest.ReadAll(t, r, 1000)
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 2 { // on an open connection, then on none
		if _, err := r.Page(ctx, 1000); !Unavailable(err) {
			t.Errorf("got %v, want one that says that the database is away", err)
		}
	}
	server.Start()
	testenv.Eventually(t, 20*time.Second, func() error { return pool.Ping(t.Context()) })
	if rows := storetest.ReadAll(t, r, 1<<40); len(rows) != 9000 {
		t.Errorf("got %d rows, want 9000", len(rows))
	}
	if _, err := pool.Exec(t.Context(), "SELECT nothing"); err == nil || Unavailable(err) {
		t.Errorf("got %v, want it not to count as away", err)
	}
}

// A reader that goes on makes no garbage of its pages.
func TestSensorReader_Page_UsesChunksAgain(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 9_500, "plant-1", "plant-2")
	r := NewQueries(pool).Sensor(store.SensorQuery{Facilities: []int32{1, 2}})
	seen := map[*sluicev1.SensorChunk]bool{}
	rows := 0
	for {
		chunks, err := r.Page(t.Context(), math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		if len(chunks) == 0 {
			break
		}
		for _, c := range chunks {
			seen[c] = true
			rows += len(c.EntryId)
		}
	}
	if rows != 19_000 || len(seen) > 5 {
		t.Errorf("got %d rows in %d different chunks, want 19000 in 5 or fewer", rows, len(seen))
	}
}
