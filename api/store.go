package api

import (
	"context"
	"time"

	"sluice/gen/sluicev1"
)

// Store is where rows are read. Its pages hold nothing between two calls, since a
// client may take any time. Every method ends when ctx does. Safe for concurrent
// use.
type Store interface {
	ChangeStore

	// Facilities returns the names of all facilities by their numbers.
	Facilities(ctx context.Context) (map[int32]string, error)
	// Sensor returns a reader of readings; it reads nothing yet.
	Sensor(q SensorQuery) SensorReader
	// LastEntries returns the highest entry id of each facility that has a router, by
	// its number. A Sensor that is asked later sees every row up to it.
	LastEntries(ctx context.Context) (map[int32]int64, error)
	// Buckets returns buckets of readings by facility number, device and time, and
	// whether there may be more.
	Buckets(ctx context.Context, q AggregateQuery) (buckets []*sluicev1.SensorBucket, more bool, err error)
	// Devices returns devices by facility number and name.
	Devices(ctx context.Context, q DeviceQuery) ([]*sluicev1.Device, error)
	// Outages returns outages by facility number, the latest first, and device.
	Outages(ctx context.Context, q OutageQuery) ([]*sluicev1.Outage, error)
	// Routes returns routes by facility number and name.
	Routes(ctx context.Context, q RouteQuery) ([]*sluicev1.Route, error)
	// DeadLetters returns dead letters, the latest first, and whether there may be
	// more.
	DeadLetters(ctx context.Context, q DeadQuery) (letters []*sluicev1.DeadLetter, more bool, err error)
}

// SensorReader gives readings page by page; one goroutine uses it.
type SensorReader interface {
	// Page returns the next rows, at most limit (1 or more), in chunks of rows of one
	// facility, without its name. No chunk means that there are no more rows. The
	// chunks are the caller's until the next call.
	Page(ctx context.Context, limit int64) ([]*sluicev1.SensorChunk, error)
}

// SensorQuery chooses readings and their order.
type SensorQuery struct {
	// Facilities are numbers of facilities, read in ascending order. Empty: none.
	Facilities []int32
	// Devices are names; empty means all.
	Devices []string
	// From and To bound the time of the reading, Unix seconds: From <= epoch < To.
	// 0 means no bound.
	From, To int64
	// ByDevice orders by device and epoch instead of by entry id.
	ByDevice bool
	// After and Last bound the entries of each facility, in order of entry: After <
	// entry_id <= Last, 0 for a facility that is not in them. Last nil: the last that
	// is stored when reading begins. Neither may change before reading ends.
	After, Last map[int32]int64
}

// AggregateQuery chooses readings, the length of their buckets, and where a page
// of buckets begins.
type AggregateQuery struct {
	// Facilities are numbers of facilities, read in ascending order. Empty: none.
	Facilities []int32
	// Devices are names; empty means all.
	Devices []string
	// From and To bound the time of the reading, Unix seconds: From <= epoch < To.
	// 0 means no bound.
	From, To int64
	// Seconds is the length of a bucket, which begins at a multiple of it; 0 means one
	// bucket for all readings of a device.
	Seconds int64
	// AfterFacility, AfterDevice and AfterEpoch are of the last bucket of the page
	// before; zero begins.
	AfterFacility int32
	AfterDevice   string
	AfterEpoch    int64
	// Limit is the most to return, 1 or more.
	Limit int
}

// DeviceQuery chooses devices and where a page of them begins.
type DeviceQuery struct {
	// Facilities are numbers of facilities. Empty: none.
	Facilities []int32
	// State is one of them; PRESENCE_STATE_UNSPECIFIED means any.
	State sluicev1.PresenceState
	// AfterFacility and AfterDevice are of the last device of the page before; zero
	// begins.
	AfterFacility int32
	AfterDevice   string
	// Limit is the most to return, 1 or more.
	Limit int
}

// OutageQuery chooses outages and where a page of them begins.
type OutageQuery struct {
	// Facilities are numbers of facilities, in ascending order. Empty: none.
	Facilities []int32
	// Device is the name of one; empty means all.
	Device string
	// Open chooses those that last.
	Open bool
	// From and To bound the time at which an outage began: From <= down_at < To. Zero
	// means no bound.
	From, To time.Time
	// AfterFacility, AfterDown (Unix microseconds) and AfterDevice are of the last
	// outage of the page before; zero begins.
	AfterFacility int32
	AfterDown     int64
	AfterDevice   string
	// Limit is the most to return, 1 or more.
	Limit int
}

// RouteQuery chooses routes and where a page of them begins.
type RouteQuery struct {
	// Facilities are numbers of facilities. Empty: none.
	Facilities []int32
	// AfterFacility and AfterRoute are of the last route of the page before; zero
	// begins.
	AfterFacility int32
	AfterRoute    string
	// Limit is the most to return, 1 or more.
	Limit int
}

// DeadQuery chooses dead letters and where a page of them begins.
type DeadQuery struct {
	// Facilities are numbers of facilities. Empty: none.
	Facilities []int32
	// Route, Device and Reason narrow the choice; empty means any.
	Route, Device, Reason string
	// Before is the id of the last letter of the page before; 0 begins.
	Before int64
	// Limit is the most to return, 1 or more.
	Limit int
}
