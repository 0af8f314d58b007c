package sqlite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// forever is longer than the time that readings lie in, seconds.
const forever = 1 << 40

// Buckets returns buckets by facility number, device and time, and whether there may be
// more. Each page looks at every row of the facility.
func (q *Queries) Buckets(ctx context.Context, query store.AggregateQuery) (buckets []*sluicev1.SensorBucket, more bool, err error) {
	if query.To == 0 {
		query.To = math.MaxInt64
	}
	if query.Seconds == 0 || query.Seconds > forever {
		query.Seconds = forever
	}
	for _, facility := range slices.Sorted(slices.Values(query.Facilities)) {
		left := query.Limit - len(buckets)
		if facility < query.AfterFacility || left == 0 {
			continue
		}
		device, epoch := "", int64(math.MinInt64)
		if facility == query.AfterFacility {
			device, epoch = query.AfterDevice, query.AfterEpoch
		}
		next, err := all(ctx, q, "buckets", selectBuckets, []any{
			facility, query.From, query.To, query.Seconds, device, epoch, left, list(query.Devices),
		}, scanBucket)
		if err != nil {
			return nil, false, fmt.Errorf("aggregate readings: %w", err)
		}
		buckets = append(buckets, next...)
	}
	return buckets, len(buckets) == query.Limit, nil
}

const selectBuckets = `SELECT (SELECT name FROM facility WHERE facility_id = ?1), device, bucket,
		count(*), min(temp), avg(temp), max(temp), min(rh), avg(rh), max(rh)
	FROM (SELECT s.device, s.epoch / ?4 * ?4 AS bucket, s.temp, s.rh FROM sensor s
		WHERE s.facility_id = ?1 AND +s.epoch >= ?2 AND +s.epoch < ?3 AND (?8 = '[]' OR s.device IN (SELECT value FROM json_each(?8))))
	WHERE (device, bucket) > (?5, ?6) GROUP BY device, bucket ORDER BY device, bucket LIMIT ?7`

func scanBucket(s *sqlite3.Stmt) *sluicev1.SensorBucket {
	return &sluicev1.SensorBucket{
		Facility: s.ColumnText(0), Device: s.ColumnText(1), Epoch: s.ColumnInt64(2), Count: s.ColumnInt64(3),
		TempMin: float32(s.ColumnFloat(4)), TempAvg: s.ColumnFloat(5), TempMax: float32(s.ColumnFloat(6)),
		RhMin: float32(s.ColumnFloat(7)), RhAvg: s.ColumnFloat(8), RhMax: float32(s.ColumnFloat(9)),
	}
}
