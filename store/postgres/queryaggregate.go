package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"sluice/gen/sluicev1"
	"sluice/store"
)

const (
	// aggregateRows is after how many readings a page of buckets ends, that of one
	// long bucket excepted: a page of many long ones must not take for ever.
	aggregateRows = 1_000_000
	// aggregateDevices is the most devices that one statement gets: it walks their
	// list from the front for each.
	aggregateDevices = 1000
	// forever is longer than the time that readings lie in, seconds.
	forever = 1 << 40
)

// Buckets returns buckets by facility number, device and time, and whether there
// may be more. A page ends early after a million readings.
func (q *Queries) Buckets(ctx context.Context, query store.AggregateQuery) (buckets []*sluicev1.SensorBucket, more bool, err error) {
	a := aggregation{q: q, AggregateQuery: whole(query), most: aggregateRows}
	return a.page(ctx)
}

// whole puts values for "no bound", and the lists in order.
func whole(q store.AggregateQuery) store.AggregateQuery {
	if q.To == 0 {
		q.To = math.MaxInt64
	}
	if q.Seconds == 0 || q.Seconds > forever {
		q.Seconds = forever
	}
	q.Facilities = slices.Sorted(slices.Values(q.Facilities))
	q.Devices = slices.Compact(slices.Sorted(slices.Values(q.Devices)))
	return q
}

// aggregation is one page in the making.
type aggregation struct {
	store.AggregateQuery

	q       *Queries
	buckets []*sluicev1.SensorBucket
	rows    int64 // that the buckets have
	most    int64 // the page ends with the bucket that reaches it
}

func (a *aggregation) page(ctx context.Context) (buckets []*sluicev1.SensorBucket, more bool, err error) {
	for _, facility := range a.Facilities {
		if err := a.facility(ctx, facility); err != nil {
			return nil, false, fmt.Errorf("aggregate readings: %w", err)
		}
		if a.full() {
			return a.buckets, true, nil
		}
	}
	return a.buckets, false, nil
}

func (a *aggregation) full() bool { return len(a.buckets) >= a.Limit || a.rows >= a.most }

// facility adds the buckets of a facility that lie behind the page before.
func (a *aggregation) facility(ctx context.Context, facility int32) error {
	device, next, devices := "", a.From, a.Devices
	switch {
	case facility < a.AfterFacility:
		return nil
	case facility == a.AfterFacility:
		device, next = a.AfterDevice, max(a.From, min(a.AfterEpoch, forever)+a.Seconds)
		// A token of another call must not lead to a device that this one leaves out.
		i, found := slices.BinarySearch(devices, device)
		if devices = devices[i:]; found {
			devices = devices[1:]
		} else if len(a.Devices) > 0 {
			device = ""
		}
	}
	if len(a.Devices) == 0 {
		return a.read(ctx, selectBuckets, facility, device, next)
	}
	for device != "" || len(devices) > 0 {
		part := devices[:min(len(devices), aggregateDevices)]
		if err := a.read(ctx, selectBucketsOf, facility, device, next, part); err != nil || a.full() {
			return err
		}
		device, devices = "", devices[len(part):]
	}
	return nil
}

// read adds the buckets that one of the statements gives.
func (a *aggregation) read(ctx context.Context, sql string, facility int32, device string, next int64, devices ...any) error {
	args := append([]any{
		facility, device, next, a.From, a.To, a.Seconds, a.most - a.rows, a.Limit - len(a.buckets),
	}, devices...)
	rows, _ := a.q.pool.Query(ctx, sql, args...)
	buckets, err := pgx.CollectRows(rows, scanBucket)
	for _, b := range buckets {
		a.rows += b.Count
	}
	a.buckets = append(a.buckets, buckets...)
	return err
}

func scanBucket(row pgx.CollectableRow) (*sluicev1.SensorBucket, error) {
	var b sluicev1.SensorBucket
	err := row.Scan(&b.Facility, &b.Device, &b.Epoch, &b.Count, &b.TempMin, &b.TempAvg, &b.TempMax, &b.RhMin, &b.RhAvg, &b.RhMax)
	return &b, err
}

// Every step is a bucket of the device that it stands at, or one to the next
// device. Each finds its readings by the index on device and epoch, and PostgreSQL
// takes no more steps than LIMIT wants: so a page reads the readings of its buckets
// and no others. GROUP BY would sort all that follow, page for page, since it does
// not know that buckets are in the order of the readings.
const (
	selectBuckets   = bucketsHead + anyDevice + bucketsTail
	selectBucketsOf = bucketsHead + listedDevice + bucketsTail

	bucketsHead = `
WITH RECURSIVE step AS (
  SELECT $2::text COLLATE "C" AS device, 0 AS place, $3::bigint AS next, 0::bigint AS total, 0::bigint AS epoch,
    0::bigint AS count, 0::real AS temp_min, 0::float8 AS temp_avg, 0::real AS temp_max, 0::real AS rh_min, 0::float8 AS rh_avg, 0::real AS rh_max
  UNION ALL
  SELECT coalesce(d.device, s.device), coalesce(d.place, s.place), coalesce(first.epoch + $6, $4), s.total + b.count, first.epoch, b.*
  FROM step s
  LEFT JOIN LATERAL (
    SELECT epoch / $6 * $6 AS epoch FROM data.sensor
    WHERE facility_id = $1 AND device = s.device AND epoch >= s.next AND epoch < $5
    ORDER BY data.sensor.epoch LIMIT 1
  ) first ON true
  LEFT JOIN LATERAL (`

	anyDevice = `
    SELECT device::text COLLATE "C" AS device, 0 AS place FROM data.sensor
    WHERE first.epoch IS NULL AND facility_id = $1 AND device > s.device
    ORDER BY data.sensor.device LIMIT 1`

	listedDevice = `
    SELECT ($9::text[])[s.place + 1] COLLATE "C" AS device, s.place + 1 AS place WHERE first.epoch IS NULL`

	bucketsTail = `
  ) d ON true
  CROSS JOIN LATERAL (
    SELECT count(*), min(temp), avg(temp), max(temp), min(rh), avg(rh), max(rh) FROM data.sensor
    WHERE facility_id = $1 AND device = s.device AND epoch >= greatest(first.epoch, s.next) AND epoch < least(first.epoch + $6, $5)
      AND first.epoch IS NOT NULL
  ) b
  WHERE s.total < $7 AND (first.epoch IS NOT NULL OR d.device IS NOT NULL)
)
SELECT (SELECT name FROM data.facility WHERE facility_id = $1), device, epoch, count, temp_min, temp_avg, temp_max, rh_min, rh_avg, rh_max
FROM step WHERE count > 0 LIMIT $8`
)
