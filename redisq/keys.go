package redisq

// keys names everything that a facility has in Redis. No other file makes up a
// key. The facility is the hash tag, so that all of them lie on one node of a
// cluster. Names of devices and clients never enter a key: whatever they contain,
// they are members, fields and values.
//
//	store            hash    bytes (record bytes queued), tokens (leases given),
//	                         connections (of clients, ever)
//	session:<name>   hash    lease: token, holder, expires; number and receipt
//	                         of the last group; filters of the broker's session;
//	                         caught_up; door (1: of a front door)
//	record:<name>    string  redelivery record, 10 bytes per delivery
//	state:<queue>    hash    open batch: open_count, open_bytes, open_size,
//	                         open_first; seals; halted, halted_since;
//	                         note; account: received, stored, duplicate, dead, dropped:<cause>
//	open:<queue>     list    frames of the open batch
//	sealed:<queue>   list    id seal count bytes size first, oldest at the head
//	taken:<queue>    hash    batches claimed or in retry by id (see lib_taken.lua)
//	batch:<id>       list    frames of a sealed batch
//	quota:<hour>     hash    dead letters by device, gone after two hours
//	presence         hash    offset of the presence clock; up, suspect, down (counts
//	                         of devices); grace_until, storm_until, broker_seen
//	devices          hash    device -> record (see scripts/lib_device.lua)
//	deadlines        zset    device by the presence time at which it goes down
//	steady           zset    flapping device by the time at which it is steady
//	attending        set     sessions that feed presence
//	doors            set     sessions of front doors
//	clients          hash    client -> record (see scripts/lib_client.lua)
//	delivered:<n>    string  redelivery record of the client's session that began
//	                         with connection n, 10 bytes per delivery
//	subscriptions    hash    client -> what the front door recorded
//	hints            channel queues in which a batch became claimable
//	broadcast        channel what front doors tell each other (see bulletin.go)
//
// All times are microseconds of the store's clock, those called presence times of
// that clock without its jumps (see sluice.Device).
type keys struct {
	prefix string
}

func newKeys(facility string) keys { return keys{"sluice:{" + facility + "}:"} }

func (k keys) store() string              { return k.prefix + "store" }
func (k keys) session(name string) string { return k.sessions() + name }
func (k keys) record(name string) string  { return k.prefix + "record:" + name }
func (k keys) state(queue string) string  { return k.prefix + "state:" + queue }
func (k keys) open(queue string) string   { return k.prefix + "open:" + queue }
func (k keys) sealed(queue string) string { return k.prefix + "sealed:" + queue }
func (k keys) taken(queue string) string  { return k.prefix + "taken:" + queue }
func (k keys) batches() string            { return k.prefix + "batch:" }
func (k keys) batch(id string) string     { return k.batches() + id }
func (k keys) quotas() string             { return k.prefix + "quota:" }
func (k keys) hints() string              { return k.prefix + "hints" }
func (k keys) sessions() string           { return k.prefix + "session:" }
func (k keys) presence() string           { return k.prefix + "presence" }
func (k keys) devices() string            { return k.prefix + "devices" }
func (k keys) deadlines() string          { return k.prefix + "deadlines" }
func (k keys) steady() string             { return k.prefix + "steady" }
func (k keys) attending() string          { return k.prefix + "attending" }
func (k keys) doors() string              { return k.prefix + "doors" }
func (k keys) clients() string            { return k.prefix + "clients" }
func (k keys) delivered() string          { return k.prefix + "delivered:" }
func (k keys) subscriptions() string      { return k.prefix + "subscriptions" }
func (k keys) broadcast() string          { return k.prefix + "broadcast" }

// queue returns the keys of a queue's open batch and what is behind it.
func (k keys) queue(name string) []string {
	return []string{k.state(name), k.open(name), k.sealed(name)}
}

// fleet returns the keys of the devices.
func (k keys) fleet() []string {
	return []string{k.presence(), k.devices(), k.deadlines(), k.steady()}
}

// Fields of the state hash that Go reads.
const (
	fieldReceived  = "received"
	fieldStored    = "stored"
	fieldDuplicate = "duplicate"
	fieldDead      = "dead"
	fieldDropped   = "dropped:" // and the cause
	fieldOpenCount = "open_count"
	fieldOpenSize  = "open_size"
	fieldOpenFirst = "open_first"
	fieldHalted    = "halted"
	fieldHaltedAt  = "halted_since"
)
