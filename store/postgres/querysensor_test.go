package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/store"
)

// sensorRow is a row as the reader gives it.
type sensorRow struct {
	Facility int32
	Entry    int64
	Device   string
	Temp, Rh float32
	Epoch    int64
}

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
			FROM generate_series(1, $2::int) i`, id, n, i, epoch0)
	}
	exec(t, pool, "ANALYZE data.sensor")
}

// readAll reads pages to the end and returns the rows, checking the shape of
// each chunk.
func readAll(t testing.TB, r *SensorReader, limit int64) (rows []sensorRow) {
	t.Helper()
	for limit > 0 {
		chunks, err := r.Page(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(chunks) == 0 {
			return rows
		}
		for _, c := range chunks {
			n := len(c.EntryId)
			if n == 0 || n > sensorChunk || len(c.Device) != n || len(c.Temp) != n || len(c.Rh) != n || len(c.Epoch) != n {
				t.Fatalf("columns of %d, %d, %d, %d and %d rows", n, len(c.Device), len(c.Temp), len(c.Rh), len(c.Epoch))
			}
			for i := range n {
				rows = append(rows, sensorRow{c.FacilityId, c.EntryId[i], c.Device[i], c.Temp[i], c.Rh[i], c.Epoch[i]})
			}
			limit -= int64(n)
		}
	}
	return rows
}

// expect returns what one plain statement gives.
func expect(t testing.TB, pool *pgxpool.Pool, q store.SensorQuery) (rows []sensorRow) {
	t.Helper()
	sql := "SELECT facility_id, entry_id, device, temp, rh, epoch FROM data.sensor WHERE facility_id = ANY($1)"
	args := []any{q.Facilities}
	if len(q.Devices) > 0 {
		args = append(args, q.Devices)
		sql += fmt.Sprintf(" AND device = ANY($%d)", len(args))
	}
	if q.From > 0 {
		sql += fmt.Sprintf(" AND epoch >= %d", q.From)
	}
	if q.To > 0 {
		sql += fmt.Sprintf(" AND epoch < %d", q.To)
	}
	order := " ORDER BY facility_id, entry_id"
	if q.ByDevice {
		order = " ORDER BY facility_id, device, epoch"
	}
	got, err := pool.Query(t.Context(), sql+order, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	for got.Next() {
		var r sensorRow
		if err := got.Scan(&r.Facility, &r.Entry, &r.Device, &r.Temp, &r.Rh, &r.Epoch); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

func TestQueries_Sensor(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 9_500, "plant-1", "plant-2")
	exec(t, pool, "INSERT INTO data.facility (name) VALUES ('empty')")
	both := []int32{1, 2}
	for name, q := range map[string]store.SensorQuery{
		"all":             {Facilities: []int32{1, 2, 3}},
		"one facility":    {Facilities: []int32{2}},
		"no facility":     {},
		"from":            {Facilities: both, From: epoch0 + 9000},
		"to":              {Facilities: both, To: epoch0 - 3000},
		"range":           {Facilities: both, From: epoch0 + 3000, To: epoch0 + 4000},
		"empty range":     {Facilities: both, From: 1, To: 2},
		"devices":         {Facilities: both, Devices: []string{"dev-5", "dev-2", "dev-5", "none"}},
		"unknown device":  {Facilities: both, Devices: []string{"x"}},
		"odd device":      {Facilities: both, Devices: []string{"NULL", `a"b\`, ""}},
		"devices in time": {Facilities: both, Devices: []string{"dev-1"}, From: epoch0 + 100, To: epoch0 + 4000},
	} {
		for _, byDevice := range []bool{false, true} {
			q.ByDevice = byDevice
			t.Run(fmt.Sprintf("%s, by device %t", name, byDevice), func(t *testing.T) {
				t.Parallel()
				want := expect(t, pool, q)
				got := readAll(t, NewQueries(pool).Sensor(q), 1<<40)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%d rows, want %d (-want +got):\n%.1000s", len(got), len(want), diff)
				}
				few := readAll(t, NewQueries(pool).Sensor(q), 1234)
				if !slices.Equal(few, want[:min(1234, len(want))]) {
					t.Errorf("with a limit of 1234 got %d other rows", len(few))
				}
			})
		}
	}
}

// What is stored after the first page is not in the stream, in either order, and
// shifts nothing.
func TestQueries_Sensor_RowsOfTheBeginning(t *testing.T) {
	t.Parallel()
	for _, byDevice := range []bool{false, true} {
		t.Run(fmt.Sprint(byDevice), func(t *testing.T) {
			t.Parallel()
			pool := newDatabase(t)
			fill(t, pool, 10_000, "plant-1")
			q := store.SensorQuery{Facilities: []int32{1}, ByDevice: byDevice}
			want := expect(t, pool, q)
			r := NewQueries(pool).Sensor(q)
			got := readAll(t, r, sensorPage)
			exec(t, pool, "INSERT INTO data.sensor SELECT 10000 + i, 1, 'dev-' || i, 1, 1, $1 FROM generate_series(1, 999) i", epoch0-9999)
			got = append(got, readAll(t, r, 1<<40)...)
			if !slices.Equal(got, want) {
				t.Errorf("got %d rows, want the %d of the beginning", len(got), len(want))
			}
		})
	}
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
		readAll(t, r, 1000)
		readers = append(readers, r)
	}
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are held", n)
	}
	for _, r := range readers {
		if rows := readAll(t, r, 1<<40); len(rows) != 9000 {
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
	readAll(t, r, 1000)
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
	if rows := readAll(t, r, 1<<40); len(rows) != 9000 {
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
