package sluice

import (
	"context"
	"time"
)

// Queue is the durable store between ingest and the handlers: one FIFO of
// batches per route. Package redisq keeps it in Redis; the conformance suite in
// sluicetest states every promise below as a test.
//
// A batch moves through these states, each move one atomic step of the store:
//
//	            Append                    Claim
//	(messages) --------> open --> sealed --------> claimed --Complete--> done
//	                      |  size  ^  ^             |   |               (removed; its bad
//	                      |        |  |   expired   |   |                messages are dead)
//	                      +--Seal--+  +-------------+   |
//	                          age          Claim        |
//	                                                Release
//	                                 retry <------------+
//	                                   |
//	                                   +-- when its time has come: Claim
//
// Sealed batches of a queue are claimed in the order in which they were sealed.
// At most Concurrency batches of a queue are claimed or in retry at any time;
// those come before sealed ones. While a queue is halted only the oldest of them
// is claimed, when it is due.
//
// All methods are safe for concurrent use. An error that is none of the named
// ones is transient and its outcome unknown: the same call may be repeated, and
// every method is made so that a repeat does no harm. Times are the store's
// clock.
type Queue interface {
	// Lease takes the ingest lease of a session (one name per stream of appends)
	// for holder, for ttl. It succeeds when the lease is free, expired, or held
	// by the same holder, and then gives a new token and group number 0, which
	// fences every Append under an older token. ErrHeld otherwise.
	Lease(ctx context.Context, session, holder string, ttl time.Duration) (Lease, error)
	// Renew extends the lease by ttl from now. ErrFenced when the token is not
	// the current one. An expired lease that nobody took is still renewed.
	Renew(ctx context.Context, l Lease, ttl time.Duration) error
	// Unlease gives the lease up, so that another holder need not wait.
	// Nothing happens when the token is not the current one.
	Unlease(ctx context.Context, l Lease) error
	// Forget clears the session's redelivery record. ErrFenced as for Append.
	Forget(ctx context.Context, l Lease) error
	// Subscribe records what the broker's session is subscribed to, for
	// Lease.Filters from the next lease on. ErrFenced as for Append.
	Subscribe(ctx context.Context, l Lease, filters []string) error

	// Append stores a group and returns once it is durable. It pushes every
	// part to the open batch of its queue, sealing exactly at the policy's Max
	// and before MaxBytes would be exceeded (one append may seal several
	// batches), adds the counts to the accounts, stores the dead letters in
	// QueueDead and appends the redelivery record, all or nothing.
	//
	// ErrFenced when the token is not the current one; an expired lease that
	// nobody took still appends. A repeat of the last group number returns the
	// first receipt with Repeated set and stores nothing; a gap in the numbers is
	// an error of its own. A dead letter above the quota of its device is treated
	// as in Complete. *StaleClientsError before anything is stored when a connection in
	// Clients is not its client's newest; what they delivered enters their redelivery
	// records. Moves are made in order and, of the same step, a device that
	// came back enters QueueEvents, every device that changed QueueDevices;
	// *DeviceLimitError before anything is stored when too many were new. A connect
	// and a will count as received and stored for AccountPresence. ErrFull when the store refuses for lack of memory; then nothing
	// was stored.
	Append(ctx context.Context, g *Group) (Receipt, error)

	// Seal seals the open batch of a queue if the policy says that its age
	// demands it (see Policy.Wait).
	Seal(ctx context.Context, queue string, p Policy) (SealResult, error)

	// Claim takes the next batch of a queue, whole: first one whose claim has
	// expired, then one whose retry time has come, then the oldest sealed one.
	// It raises the attempt count. ClaimResult.Claim is nil when there is none.
	Claim(ctx context.Context, r ClaimRequest) (ClaimResult, error)
	// Extend prolongs the claim by ttl from now. ErrLost when it has ended.
	Extend(ctx context.Context, c *Claim, ttl time.Duration) error
	// Complete removes the batch, adds the outcome to the queue's account, stores
	// the outcome's dead letters in QueueDead and pushes what it forwards to other
	// queues, in one step. A dead letter
	// of a device above its quota is dropped and counted as DropDeadQuota
	// instead. A halted queue is halted no more. ErrLost when the claim has
	// ended; then nothing happened.
	Complete(ctx context.Context, c *Claim, o Outcome) error
	// Release puts the batch into retry. ErrLost when the claim has ended.
	Release(ctx context.Context, c *Claim, r Retry) error
	// Note stores a note with the claim's queue, for Batch.Note of every later claim
	// there. ErrLost when the claim has ended.
	Note(ctx context.Context, c *Claim, note []byte) error
	// Resume makes every batch of the queue that is in retry claimable now. It
	// does not end a halt: the success of a batch does.
	Resume(ctx context.Context, queue string) error

	// Status reports a queue: account, depth, age. An unknown name gives the
	// zero status.
	Status(ctx context.Context, queue string) (QueueStatus, error)
	// Watch calls wake with the name of each queue in which a batch became
	// claimable (sealed, completed with more behind it, released, resumed), by
	// whatever replica, until ctx ends. Hints may be lost; nothing may depend
	// on them but speed. It returns an error when the watch broke, ctx's error
	// when ctx ended.
	Watch(ctx context.Context, wake func(queue string)) error
}

// QueueDead is the internal queue that dead letters pass through on their way
// to the database. A message of it has the topic of the dead letter and
// DeadLetter as JSON in its payload.
const QueueDead = "$dead"

// DeadPolicy is the batch policy of QueueDead.
func DeadPolicy() Policy {
	return Policy{Max: 1000, MaxBytes: DefaultMaxBytes, Timeout: time.Second}.Resolve()
}

// Lease is the right to append for one ingest session.
type Lease struct {
	Session string
	// Token is a counter plus random bits, compared for equality only.
	Token string
	// Filters are what Subscribe recorded last, nil when it was never called: the
	// broker has had no session yet.
	Filters []string
	// Delivered is the session's redelivery record, oldest first.
	Delivered []Delivered
}

// Delivered remembers a QoS 1 message that was appended: what is needed to know
// it again when the broker sends it a second time [MQTT-4.4.0-1].
type Delivered struct {
	PacketID uint16
	Hash     uint64 // of topic and payload
}

// Group is everything that one append stores: what one read of the connection
// brought. The queue retains nothing of it.
type Group struct {
	Lease Lease
	// Number counts the groups of a token from 1, without gaps.
	Number uint64
	// Age is how long before the append the group's first message was received:
	// an open batch that the group begins is that old already, so that a message
	// waits no longer for its batch because it waited for its group.
	Age time.Duration
	// Parts has at most one part per queue.
	Parts []Part
	// Dead are messages refused at the door; each counts as received and dead
	// for its Route.
	Dead []DeadLetter
	// Drops are messages that are acknowledged and not stored; each counts as
	// received and dropped for its route.
	Drops []Drop
	// Delivered are the QoS 1 messages of this group, in order of receipt.
	Delivered []Delivered
	// Remember is how many Delivered of the session the store keeps at least,
	// the newest.
	Remember int
	// Clients are the connections of a front door's clients that have a QoS 1 message in
	// the group, or a last will that is no move. Nil for a broker.
	Clients []GroupClient
	// Moves are what messages of the group say of devices, in order of receipt.
	Moves []Move
	// CaughtUp, above 0, is a presence time up to which everything sent to the
	// session is in this group or was in an earlier one.
	CaughtUp int64
	// Presence says how Moves are applied.
	Presence PresenceSettings
}

// Part is the share of one queue in a group.
type Part struct {
	Queue string
	// Policy must be resolved.
	Policy Policy
	Frame  Frame
}

// Drop counts messages that were not stored.
type Drop struct {
	Route string
	Cause string // DropOverlap, ...
	Count int
}

// Receipt tells what an append did to each part's queue.
type Receipt struct {
	// Parts is parallel to Group.Parts.
	Parts []PartReceipt
	// Dead tells the same of QueueDead; zero when the group had no dead letter.
	Dead PartReceipt
	// Presence tells what the moves did; zero without moves.
	Presence PresenceReceipt
	// Repeated: the group had been appended before, by a call whose answer was
	// lost.
	Repeated bool
}

// PartReceipt is the state of a queue's open batch after an append.
type PartReceipt struct {
	// Sealed is how many batches the append sealed.
	Sealed int
	// Open is how many messages the open batch has now, Age how old its first
	// one is.
	Open int
	Age  time.Duration
}

// SealResult tells what Seal did: it sealed a batch, or left Open messages, the
// oldest of them Age old.
type SealResult struct {
	Sealed bool
	Open   int
	Age    time.Duration
}

// ClaimRequest asks for a batch.
type ClaimRequest struct {
	Queue string
	// Concurrency is the queue's limit of batches claimed or in retry.
	Concurrency int
	// TTL is how long the claim holds without Extend.
	TTL time.Duration
}

// ClaimResult is the answer to a ClaimRequest.
type ClaimResult struct {
	// Claim is nil when no batch can be claimed now.
	Claim *Claim
	// Wait is the time until a retry or the expiry of a claim may make one
	// claimable; 0 when nothing but a new hint will.
	Wait time.Duration
}

// Claim is the right to handle a batch.
type Claim struct {
	// Token fences: it is new for every claim.
	Token string
	// Batch has its messages decoded, its Route set to the queue's name.
	Batch *Batch
}

// Outcome is what became of the messages of a batch. Its numbers add up to the
// batch's length.
type Outcome struct {
	Stored    int
	Duplicate int
	// Dead are the messages that can never be handled.
	Dead []DeadLetter
	// Dropped counts messages given up for a cause of their own (DropUnstorable).
	Dropped map[string]int
	// Forward has messages for other queues, at most one part a queue. They are
	// received there, and no part of this queue's account.
	Forward []Part
}

// Retry says when and why a batch is to be tried again.
type Retry struct {
	After time.Duration
	// Reason is shown to the operator.
	Reason string
	// Halted halts the queue: only its oldest batch is tried until one
	// succeeds.
	Halted bool
}

// Account is the balance of a queue since the store was made:
// Received = Stored + Duplicate + Dead + sum(Dropped) + what is still queued.
type Account struct {
	Received  int64            `json:"received"`
	Stored    int64            `json:"stored"`
	Duplicate int64            `json:"duplicate"`
	Dead      int64            `json:"dead"`
	Dropped   map[string]int64 `json:"dropped,omitempty"`
}

// QueueStatus describes a queue at one moment.
type QueueStatus struct {
	Queue   string  `json:"queue"`
	Account Account `json:"account"`
	// Open, Sealed, Claimed and Retry count messages by the state of their
	// batch; their sum is what is still queued.
	Open    int64 `json:"open"`
	Sealed  int64 `json:"sealed"`
	Claimed int64 `json:"claimed"`
	Retry   int64 `json:"retry"`
	// Batches is how many batches are sealed, claimed or in retry.
	Batches int64 `json:"batches"`
	// Bytes is what the queue's messages occupy: their records' lengths.
	Bytes int64 `json:"bytes"`
	// OldestAge is the age of the oldest message still queued, 0 when empty.
	OldestAge time.Duration `json:"oldest_age_ns"`
	// Halted tells why the queue is halted, "" when it is not; HaltedSince when
	// it was halted first.
	Halted      string    `json:"halted,omitempty"`
	HaltedSince time.Time `json:"halted_since,omitzero"`
}

// Queued is the number of messages in the queue.
func (s QueueStatus) Queued() int64 { return s.Open + s.Sealed + s.Claimed + s.Retry }

// Balance is 0 when the account balances: Received less everything that
// became of the messages.
func (s QueueStatus) Balance() int64 {
	a := s.Account
	b := a.Received - a.Stored - a.Duplicate - a.Dead - s.Queued()
	for _, n := range a.Dropped {
		b -= n
	}
	return b
}
