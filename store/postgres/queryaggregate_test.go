package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/testing/protocmp"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// allBuckets reads pages of limit to the end.
func allBuckets(t testing.TB, pool *pgxpool.Pool, q store.AggregateQuery, ids map[string]int32) (all []*sluicev1.SensorBucket) {
	t.Helper()
	for range 100_000 {
		page, more, err := NewQueries(pool).Buckets(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > q.Limit {
			t.Fatalf("got %d buckets, want at most %d", len(page), q.Limit)
		}
		all = append(all, page...)
		if !more {
			return all
		}
		last := page[len(page)-1]
		q.AfterFacility, q.AfterDevice, q.AfterEpoch = ids[last.Facility], last.Device, last.Epoch
	}
	t.Fatal("the pages have no end")
	return nil
}

// grouped is what one plain statement gives.
func grouped(t testing.TB, pool *pgxpool.Pool, q store.AggregateQuery) []*sluicev1.SensorBucket {
	t.Helper()
	q = whole(q)
	rows, _ := pool.Query(t.Context(), `
		SELECT f.name, device, epoch / $5 * $5 AS bucket, count(*), min(temp), avg(temp), max(temp), min(rh), avg(rh), max(rh)
		FROM data.sensor JOIN data.facility f USING (facility_id)
		WHERE facility_id = ANY($1) AND (cardinality($2::text[]) = 0 OR device = ANY($2)) AND epoch >= $3 AND epoch < $4
		GROUP BY facility_id, f.name, device, bucket ORDER BY facility_id, device, bucket`,
		q.Facilities, append([]string{}, q.Devices...), q.From, q.To, q.Seconds)
	want, err := pgx.CollectRows(rows, scanBucket)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

func TestQueries_Buckets(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 3000, "plant-1", "plant-2")
	exec(t, pool, "INSERT INTO data.facility (name) VALUES ('empty')")
	exec(t, pool, "INSERT INTO data.sensor SELECT 9000 + i, 2, chr(64 + i) || '.x', i, i, 946684800 + i FROM generate_series(1, 26) i")
	ids := map[string]int32{"plant-1": 1, "plant-2": 2}
	both := []int32{2, 3, 1}
	many := []string{"dev-1", "dev-1", "zzz"}
	for i := range 2500 {
		many = append(many, fmt.Sprintf("dev-%d", 2500-i), fmt.Sprintf("a-%d", i))
	}
	for name, q := range map[string]store.AggregateQuery{
		"one for all":     {Facilities: both},
		"minutes":         {Facilities: both, Seconds: 60},
		"seconds":         {Facilities: []int32{2}, Seconds: 1},
		"odd":             {Facilities: both, Seconds: 777},
		"longest":         {Facilities: both, Seconds: 1<<63 - 1},
		"from":            {Facilities: both, Seconds: 60, From: epoch0 + 2000},
		"to":              {Facilities: both, Seconds: 60, To: epoch0 - 3000},
		"within a bucket": {Facilities: both, Seconds: 3600, From: epoch0 + 10, To: epoch0 + 90},
		"one, bounded":    {Facilities: both, From: epoch0 + 10, To: epoch0 + 90},
		"empty range":     {Facilities: both, Seconds: 60, From: 1, To: 2},
		"devices":         {Facilities: both, Seconds: 60, Devices: []string{"dev-5", "dev-2", "none"}},
		"many devices":    {Facilities: both, Seconds: 600, Devices: many},
		"devices in time": {Facilities: both, Seconds: 60, Devices: []string{"C.x", "dev-0"}, From: epoch0 + 100, To: epoch0 + 900},
		"no such device":  {Facilities: both, Devices: []string{"none"}},
		"no facility":     {Seconds: 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := grouped(t, pool, q)
			for _, q.Limit = range []int{7, 1000} {
				got := allBuckets(t, pool, q, ids)
				if diff := gocmp.Diff(want, got, protocmp.Transform()); len(want)+len(got) > 0 && diff != "" {
					t.Errorf("by pages of %d: %d buckets, want %d (-want +got):\n%.2000s", q.Limit, len(got), len(want), diff)
				}
			}
		})
	}
}

// A place of another call leads to nothing that this one leaves out.
func TestQueries_Buckets_AfterAnything(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 100, "plant-1")
	for _, q := range []store.AggregateQuery{
		{AfterFacility: 1, AfterDevice: "dev-3", AfterEpoch: 1<<63 - 1},
		{AfterFacility: 1, AfterDevice: "dev-4", AfterEpoch: -1 << 63},
		{AfterFacility: 1, AfterDevice: "dev-34"},
		{AfterFacility: 9, AfterDevice: "dev-4"},
	} {
		q.Facilities, q.Devices, q.Limit = []int32{1}, []string{"dev-2", "dev-3", "dev-5"}, 10
		got, more, err := NewQueries(pool).Buckets(t.Context(), q)
		if err != nil || more {
			t.Fatalf("%+v: got %t, %v", q, more, err)
		}
		if i := slices.IndexFunc(got, func(b *sluicev1.SensorBucket) bool {
			return !slices.Contains(q.Devices, b.Device) || cmp.Less(b.Device, "dev-3")
		}); i >= 0 {
			t.Errorf("%+v: got %v", q, got[i])
		}
	}
}

// A page ends after a number of readings, so that one of long buckets ends in time.
func TestQueries_Buckets_EndsEarly(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	fill(t, pool, 700, "plant-1") // 100 of each device
	for most, want := range map[int64]int{1: 1, 100: 1, 101: 2, 200: 2, 601: 7, 5000: 7} {
		for _, devices := range [][]string{nil, {"dev-0", "dev-1", "dev-2", "dev-3", "dev-4", "dev-5", "dev-6"}} {
			q := store.AggregateQuery{Facilities: []int32{1}, Devices: devices, Limit: 1000}
			a := aggregation{q: NewQueries(pool), AggregateQuery: whole(q), most: most}
			page, more, err := a.page(t.Context())
			if err != nil || len(page) != want || more != (most <= 700) {
				t.Errorf("at most %d of %d devices: got %d buckets, more %t, %v, want %d", most, len(devices), len(page), more, err, want)
			}
		}
	}
}
