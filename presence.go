package sluice

import (
	"context"
	"fmt"
	"time"
)

// Queues of presence. Their messages are sluice.v1.PresenceEvent.
const (
	// QueueEvents has outages, recoveries and what else is worth a report.
	QueueEvents = "lwt"
	// QueueDevices has every change of a device, on its way to the database.
	QueueDevices = "$device"
	// QueueNotify and the name of a receiver is the queue of reports to it.
	QueueNotify = "$notify/"
	// AccountPresence is the account of the messages on the reserved device topics.
	// They are moves, so nothing is ever queued under this name.
	AccountPresence = "$presence"
)

// Topics on which devices tell of themselves. Each may be followed by a slash and
// the device's name.
const (
	TopicConnect = "connect"
	TopicWill    = "lwt"
)

// TopicUptime is where a broker tells every few seconds how long it has been
// running [Mosquitto: "<n> seconds"].
const TopicUptime = "$SYS/broker/uptime"

// SeenEvery is how often at least the time at which a device was last seen is
// stored while messages of it come.
const SeenEvery = 30 * time.Second

// EventsPolicy is the batch policy of QueueEvents: what comes together is handled
// together, and nothing waits for more.
func EventsPolicy() Policy {
	return Policy{Max: 5000, MaxBytes: DefaultMaxBytes, Timeout: 20 * time.Millisecond}.Resolve()
}

// DevicesPolicy is the batch policy of QueueDevices.
func DevicesPolicy() Policy {
	return Policy{Max: 2000, MaxBytes: DefaultMaxBytes, Timeout: time.Second}.Resolve()
}

// PresenceSettings are what a store needs to know for applying moves.
type PresenceSettings struct {
	// MaxDevices is how many devices may be known.
	MaxDevices int
	// Events: outages and recoveries enter QueueEvents.
	Events bool
}

// DeviceLimitError refuses a group because of moves that would make more devices
// known than MaxDevices. Nothing was stored; append the group again without them.
type DeviceLimitError struct {
	// Moves are indexes in Group.Moves, ascending.
	Moves []int
}

func (e *DeviceLimitError) Error() string {
	return fmt.Sprintf("the limit of known devices is reached: %d moves of new ones", len(e.Moves))
}

// PresenceReceipt is what an append or a due did in the queues of presence.
type PresenceReceipt struct {
	// Events and Devices are those of QueueEvents and QueueDevices; zero when
	// nothing was pushed there.
	Events, Devices PartReceipt
	// Next is the presence time of the earliest deadline after the step, 0 for none.
	Next int64
}

// DeviceStore keeps devices beside a Queue, in the same store, so that the moves
// of a group are one step with its messages. Package redisq implements both; the
// conformance suite of sluicetest states every promise as a test.
//
// A session of ingest that feeds presence is live while its lease holds. Each
// has a caught_up: the presence time up to which everything sent to it has been
// applied. It only grows.
//
// Safe for concurrent use. Errors as for Queue. ErrFenced when the lease's token
// is not the current one.
type DeviceStore interface {
	// Clock returns the store's presence time and its offset.
	Clock(ctx context.Context) (StoreClock, error)
	// SetOffset replaces the offset if it is still before: the store's clock has
	// jumped by after-before. Nothing happens otherwise.
	SetOffset(ctx context.Context, before, after int64) error

	// Attend makes the lease's session one that feeds presence, under this lease and
	// those that follow without a pause. seen above 0 is a presence time at which the
	// broker was known to run, and is kept for BrokerSeen.
	Attend(ctx context.Context, l Lease, seen int64) (Attendance, error)
	// Unheard says that until a presence time devices could not be heard of, through no
	// fault of theirs: their silence is counted from then on (see Device.Hearken). It
	// only grows.
	Unheard(ctx context.Context, l Lease, until int64) error
	// Due takes down devices whose deadline is at or before the least caught_up of
	// all live sessions and has passed by r.Now, oldest first, at most r.Limit, and
	// pushes an event each to QueueDevices and, if r.Events, to QueueEvents, in one
	// step. While no session is live or one has no caught_up yet, nothing is due.
	//
	// A storm is taken at once: when 10 or more deadlines, and more than half as many
	// as there are devices not down, lie within StormWindow after the earliest one,
	// none of them is due before the last of them is (by r.Now and by caught_up).
	//
	// It also ends the flapping of devices that were steady by then, at most r.Limit.
	//
	// Where some of the devices have more time since Unheard, a call gives them that and
	// does nothing else.
	Due(ctx context.Context, l Lease, r DueRequest) (DueResult, error)
	// Grace gives devices time to come back after a restart of the broker (see
	// Device.Grace): a few thousand a call. It begins with cursor "" and is done when
	// the result is "". The first call raises GraceUntil to r.Until and pushes an
	// event that tells of the restart to QueueDevices and, if r.Events, to
	// QueueEvents, unless GraceUntil is as high already: a repeat tells it once.
	Grace(ctx context.Context, l Lease, r GraceRequest, cursor string) (next string, receipt PresenceReceipt, err error)

	// Devices returns devices a page at a time, in no order, each at least once. It
	// begins with cursor "" and is done when next is "".
	Devices(ctx context.Context, cursor string) (page []Device, next string, err error)
	// Device returns one device, nil when it is not known.
	Device(ctx context.Context, name string) (*Device, error)
	// ForgetDevice removes a device and tells QueueDevices; false when it is not known.
	// It becomes known again with its next connect or will, or with a message within
	// SeenEvery.
	ForgetDevice(ctx context.Context, name string) (bool, error)
	// MuteDevice sets the store time until which no reports of the device are wanted, by
	// now + d of the store's clock; d 0 ends it. It returns that time, and false
	// when the device is not known.
	MuteDevice(ctx context.Context, name string, d time.Duration) (until int64, ok bool, err error)
	// CountDevices counts the devices by state.
	CountDevices(ctx context.Context) (PresenceCounts, error)
}

// StormWindow is how long a storm of outages may take to be one report.
const StormWindow = 2 * time.Second

// Storm tells whether n outages at once are one among alive devices.
func Storm(n, alive int) bool { return n >= 10 && 2*n > alive }

// StoreClock is a reading of the store's clock.
type StoreClock struct {
	Now    int64 // presence time
	Offset int64 // store time less presence time
}

// Attendance is what a store knows when a session begins.
type Attendance struct {
	// CaughtUp of the session, 0 for none.
	CaughtUp int64
	// BrokerSeen is the highest presence time at which a session knew its broker to
	// run, 0 for never.
	BrokerSeen int64
}

// DueRequest asks for what is due.
type DueRequest struct {
	// Now is the presence time, as well as the caller knows.
	Now    int64
	Limit  int
	Events bool
}

// DueResult is what was due.
type DueResult struct {
	// Fell and Steadied count the devices that went down, and flap no more.
	Fell, Steadied int
	// Excused count those that were given time: call again.
	Excused int
	// Wait: a storm is gathering until this presence time; 0 for none.
	Wait int64
	// CaughtUp is the least caught_up of live sessions, 0 for none.
	CaughtUp int64
	Receipt  PresenceReceipt
}

// GraceRequest gives devices time until they must be back.
type GraceRequest struct {
	// Now and Until are presence times.
	Now, Until int64
	// Since is the presence time since which a device that was seen is back.
	Since int64
	// Started is the presence time at which the broker was started, for the event.
	Started int64
	Events  bool
	// Lost: the broker was not restarted but had forgotten the session (see
	// Device.Pardon). Then GraceUntil stays and there is no event.
	Lost bool
}

// PresenceCounts count the known devices by state.
type PresenceCounts struct {
	Up      int64 `json:"up"`
	Suspect int64 `json:"suspect"`
	Down    int64 `json:"down"`
}

// Presence makes a router keep track of devices and report outages. All fields
// but Keeper may be zero.
type Presence struct {
	// Keeper reads the reserved topics and judges deadlines.
	Keeper Attendant
	// Settings apply to moves.
	Settings PresenceSettings
	// Devices handles QueueDevices. Nil: changes stay there.
	Devices Handler
	// Outages handles QueueEvents before its messages go to the receivers. Nil: they
	// go there at once.
	Outages Handler
	// Receivers get reports, each in its own queue.
	Receivers []Receiver
}

// Receiver gets reports of outages.
type Receiver struct {
	// Name is unique, fit for a queue's name.
	Name string
	// Policy of its queue; Timeout is how long the first event of a report waits for
	// others.
	Policy Policy
	// Handler sends the report: a batch of events.
	Handler Handler
	// Reported returns what QueueDevices is told of a batch that was sent: messages
	// of it. May be nil.
	Reported func(b *Batch) []Message
}

// Attendant works beside an ingest session. Package presence implements it. Its
// methods but Begin and Attend return at once; they are called from the
// goroutine that reads the session.
type Attendant interface {
	// Run measures the store's clock until ctx ends, whether a session is attended
	// or not.
	Run(ctx context.Context)
	// Begin prepares for the session of a lease, before its first message.
	Begin(ctx context.Context, l Lease) error
	// Attend judges deadlines until ctx, the session's, ends.
	Attend(ctx context.Context, s Attended)
	// Now is the presence time.
	Now() int64
	// Read turns a message on a reserved topic into a move (without At), or says why
	// it is bad. device is the name in the topic, "" for none.
	Read(kind MoveKind, device string, payload []byte) (Move, *BadMessage)
	// Sync is the topic on which the session publishes markers to itself.
	Sync() string
	// Uptime: the broker says how long it has been running. stale: as of its last
	// update, not now.
	Uptime(up time.Duration, at int64, stale bool)
	// Applied: an append is durable.
	Applied(r PresenceReceipt, caughtUp int64)
	// Unheard tells the store that until now devices could not be heard of.
	Unheard(ctx context.Context, l Lease) error
}

// Attended is a session as its Attendant sees it.
type Attended struct {
	Lease Lease
	// Resumed: the broker still had the session, with what was sent meanwhile; or another
	// replica of the front door was there for the devices.
	Resumed bool
	// Mark publishes a marker that carries a presence time. When it comes back and
	// everything before it is appended, that time is the session's caught_up.
	Mark func(at int64) error
	// Pushed tells the router what was pushed to the queues of presence.
	Pushed func(PresenceReceipt)
}
