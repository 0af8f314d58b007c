package api

import (
	"context"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// Store is where rows are read. Its pages hold nothing between two calls, since a
// client may take any time. Every method ends when ctx does. Safe for concurrent
// use.
type Store interface {
	ChangeStore

	// Facilities returns the names of all facilities by their numbers.
	Facilities(ctx context.Context) (map[int32]string, error)
	// Sensor returns a reader of readings; it reads nothing yet.
	Sensor(q store.SensorQuery) SensorReader
	// LastEntries returns the highest entry id of each facility that has a router, by
	// its number. A Sensor that is asked later sees every row up to it.
	LastEntries(ctx context.Context) (map[int32]int64, error)
	// Buckets returns buckets of readings by facility number, device and time, and
	// whether there may be more.
	Buckets(ctx context.Context, q store.AggregateQuery) (buckets []*sluicev1.SensorBucket, more bool, err error)
	// Devices returns devices by facility number and name.
	Devices(ctx context.Context, q store.DeviceQuery) ([]*sluicev1.Device, error)
	// Outages returns outages by facility number, the latest first, and device.
	Outages(ctx context.Context, q store.OutageQuery) ([]*sluicev1.Outage, error)
	// Routes returns routes by facility number and name.
	Routes(ctx context.Context, q store.RouteQuery) ([]*sluicev1.Route, error)
	// DeadLetters returns dead letters, the latest first, and whether there may be
	// more.
	DeadLetters(ctx context.Context, q store.DeadQuery) (letters []*sluicev1.DeadLetter, more bool, err error)
}

// SensorReader gives readings page by page; one goroutine uses it.
type SensorReader interface {
	// Page returns the next rows, at most limit (1 or more), in chunks of rows of one
	// facility, without its name. No chunk means that there are no more rows. The
	// chunks are the caller's until the next call.
	Page(ctx context.Context, limit int64) ([]*sluicev1.SensorChunk, error)
}
