package store

import (
	"time"

	"sluice"
	"sluice/gen/sluicev1"
)

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

// RouteStatus is the state of a route at one moment.
type RouteStatus struct {
	sluice.QueueStatus
	// Rate is how many messages per second were received over the last interval.
	Rate float64 `json:"rate"`
}

// StoredDead is a dead letter as the database holds it.
type StoredDead struct {
	// ID numbers the dead letters of the database in the order of storing.
	ID int64 `json:"id"`
	// Facility is the name of its facility.
	Facility string `json:"facility"`
	sluice.DeadLetter
}

// DeadFilter chooses dead letters. Every field that is set narrows the choice;
// the zero value is all of them.
type DeadFilter struct {
	// Facility is the name of a facility.
	Facility string
	Route    string
	Device   string
	Reason   string
	// Since and Until bound the time at which a message was given up: At >= Since,
	// At < Until.
	Since, Until time.Time
}
