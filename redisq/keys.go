package redisq

// keys names everything that a facility has in Redis. No other file makes up a
// key. The facility is the hash tag, so that all of them lie on one node of a
// cluster. Names of devices never enter a key: whatever they contain, they are
// members, fields and values.
//
//	store            hash    bytes (record bytes queued), tokens (leases given)
//	session:<name>   hash    lease: token, holder, expires; number and receipt
//	                         of the last group; filters of the broker's session
//	record:<name>    string  redelivery record, 10 bytes per delivery
//	state:<queue>    hash    open batch: open_count, open_bytes, open_size,
//	                         open_first; seals; halted, halted_since;
//	                         account: received, stored, duplicate, dead, dropped:<cause>
//	open:<queue>     list    frames of the open batch
//	sealed:<queue>   list    id seal count bytes size first, oldest at the head
//	taken:<queue>    hash    batches claimed or in retry by id (see lib_taken.lua)
//	batch:<id>       list    frames of a sealed batch
//	quota:<hour>     hash    dead letters by device, gone after two hours
//	hints            channel queues in which a batch became claimable
//
// All times are microseconds of the store's clock.
type keys struct {
	prefix string
}

func newKeys(facility string) keys { return keys{"sluice:{" + facility + "}:"} }

func (k keys) store() string              { return k.prefix + "store" }
func (k keys) session(name string) string { return k.prefix + "session:" + name }
func (k keys) record(name string) string  { return k.prefix + "record:" + name }
func (k keys) state(queue string) string  { return k.prefix + "state:" + queue }
func (k keys) open(queue string) string   { return k.prefix + "open:" + queue }
func (k keys) sealed(queue string) string { return k.prefix + "sealed:" + queue }
func (k keys) taken(queue string) string  { return k.prefix + "taken:" + queue }
func (k keys) batches() string            { return k.prefix + "batch:" }
func (k keys) batch(id string) string     { return k.batches() + id }
func (k keys) quotas() string             { return k.prefix + "quota:" }
func (k keys) hints() string              { return k.prefix + "hints" }

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
