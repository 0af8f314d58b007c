package sluice

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ClientStore is the registry of a front door's MQTT clients, kept beside a Queue
// and a DeviceStore in the same store. A front door is a Source to which devices
// connect directly (see Door); several replicas of it share the registry. Package
// redisq implements it; the conformance suite of sluicetest states every promise as
// a test.
//
// A connection of a client moves through these states. Only the client's newest
// connection is known:
//
//	       Connect               Disconnect, Group.Clients Ended, Inherit
//	none ----------> connected ---------------------------------> ended
//	  ^                 |   ^                                     |   |
//	  |                 +---+ Connect: a newer number             |   |
//	  |                 ^                                         |   |
//	  |                 +-------------------- Connect ------------+   |
//	  +-------------------------------------- PruneClients -----------+
//	                                          long after its expiry
//
// Its last will is unfinished until it is withdrawn (Disconnect, or Connect of the
// same device) or made a move (Append, Connect, Inherit): one of them, once.
//
// Safe for concurrent use. Errors as for Queue. ErrFenced when the lease's token is
// not the current one: the replica must then close its connections. Names of clients
// are 1 to MaxClientID bytes; any bytes. Times are the store's clock.
type ClientStore interface {
	// EnterDoor makes the lease's session one of a front door, for Doors. If it attends,
	// it counts as live for DeviceStore.Due until it is inherited, also when its lease has
	// expired or was given up, at most DoorHeld longer than that: before its devices have
	// their grace nobody judges them by what other replicas heard.
	EnterDoor(ctx context.Context, l Lease) error
	// Doors lists the sessions of front doors that are not inherited yet, that of the
	// caller included, in no order.
	Doors(ctx context.Context) ([]DoorSession, error)

	// Connect registers a connection, before its CONNACK, and ends the client's older
	// one, whichever replica has it: from then on nothing of that is appended any more.
	// Replicas that Listen are told when the older one was theirs.
	//
	// An unfinished will of the older connection is withdrawn when the session is
	// resumed, or when the new connection has a will for the same device: that device is
	// here, and its new will stands for it. Otherwise it is applied as Inherit does, so
	// that the device has r.Grace to be heard of. A device of either will that is
	// suspect has r.Grace from now, too: who has just connected and is about to say so
	// must not be reported.
	//
	// ErrClientLimit when the client is new and r.MaxClients are known. A repeat after a
	// lost answer counts as one more connection.
	Connect(ctx context.Context, l Lease, r ConnectRequest) (Connected, error)
	// SubscribeClient replaces what is recorded of the client's subscriptions, for
	// Connected.Subscriptions: bytes that the store does not look into, at most
	// MaxSubscriptions. ErrLost when the connection is not the client's newest, or has
	// ended.
	SubscribeClient(ctx context.Context, l Lease, client string, connection int64, subscriptions []byte) error
	// Disconnect ends a connection: the session lasts keep from now. will false
	// withdraws the will, as a DISCONNECT does; true leaves it to a delivery that is on
	// its way. Nothing happens when the connection is not the newest; one that has ended
	// keeps its expiry.
	Disconnect(ctx context.Context, l Lease, client string, connection int64, keep time.Duration, will bool) error

	// Inherit winds up the session of a replica that died, was stopped or said goodbye:
	// a page a call, begun with cursor "" and done when next is "". The first call fences
	// it, so that nothing is appended under its lease any more; that is refused with
	// ErrHeld while its token is not r.Token, or its lease has not expired. Every
	// unfinished will of its connections makes the device suspect (see Device.Orphan) and
	// connections end. A device whose will was applied before and that is still suspect
	// has r.Grace from now: it had nobody to come back to. With the last page the session
	// and all it has in the store are gone.
	//
	// Of a session that is gone already nothing is done. Several may inherit it at the
	// same time.
	Inherit(ctx context.Context, l Lease, r InheritRequest, cursor string) (next string, result Inherited, err error)
	// PruneClients removes clients whose session expired ClientKept ago, a page a call,
	// as Inherit pages. One with an unfinished will stays.
	PruneClients(ctx context.Context, cursor string) (next string, removed int, err error)

	// Clients returns clients a page at a time, in no order, each at least once. It
	// begins with cursor "" and is done when next is "".
	Clients(ctx context.Context, cursor string) (page []Client, next string, err error)
	// CountClients returns how many clients are known, connected or not.
	CountClients(ctx context.Context) (int, error)

	// Broadcast sends b to every replica that listens, the sender too: at most once, and
	// to nobody when none listens.
	Broadcast(ctx context.Context, b Broadcast) error
	// Listen calls heard, one call at a time, with what is broadcast, until ctx ends.
	// heard must return soon, and may keep what it gets. It returns an error when the
	// connection broke, ctx's error when ctx ended.
	Listen(ctx context.Context, heard func(Broadcast)) error
}

// Limits of a ClientStore.
const (
	// MaxClientID is the limit of a client's name in bytes.
	MaxClientID = 256
	// MaxSubscriptions is the limit of a client's recorded subscriptions in bytes.
	MaxSubscriptions = 8 << 10
	// ClientDelivered is how many of a client's QoS 1 messages are remembered, the
	// newest.
	ClientDelivered = 64
	// ClientKept is how long a client is known beyond the expiry of its session: what it
	// sent before it went may still wait for its append.
	ClientKept = time.Minute
	// DoorHeld is how long the expired session of a front door holds deadlines back when
	// nobody inherits it: no replica runs any more, and the devices are elsewhere.
	DoorHeld = 10 * time.Minute
)

// ErrClientLimit refuses a client because as many are known as may be.
var ErrClientLimit = errors.New("the limit of known clients is reached")

// StaleClientsError refuses a group because connections of it are not their clients'
// newest: the clients connected anew, perhaps to another replica, or their session
// was inherited. Nothing was stored; append the group again without what those
// clients sent, and acknowledge none of it.
type StaleClientsError struct {
	// Clients are indexes in Group.Clients, ascending.
	Clients []int
}

func (e *StaleClientsError) Error() string {
	return fmt.Sprintf("%d clients have a newer connection", len(e.Clients))
}

// GroupClient is the share of one connection of a client in a group.
type GroupClient struct {
	Client     string
	Connection int64
	// Delivered are its QoS 1 messages, in order of receipt. The store keeps the newest
	// ClientDelivered of the client.
	Delivered []Delivered
	// Ended: the group has the last will of the connection, other than as a move. It is
	// finished then; the connection ends.
	Ended bool
}

// ConnectRequest is a CONNECT.
type ConnectRequest struct {
	Client string
	// CleanStart: nothing of an earlier session is resumed.
	CleanStart bool
	// Expiry is how long the session outlives its connection, at most 100 years; 0: it
	// ends with it.
	Expiry time.Duration
	// Will is the last will if it tells of a device; nil for none, or for one on another
	// topic.
	Will *ClientWill
	// At is the presence time of the CONNECT (see Attendant.Now).
	At int64
	// Grace is how long a device has at least to be heard of: reconnect_grace.
	Grace time.Duration
	// MaxClients is how many clients may be known; 0: no limit.
	MaxClients int
	Presence   PresenceSettings
}

// ClientWill is a last will on the reserved topic of wills, decoded.
type ClientWill struct {
	Device string
	// Delay in microseconds, clamped to the configured limits.
	Delay int64
}

// Connected is what the registry answers to a CONNECT.
type Connected struct {
	// Connection is greater than that of every earlier connection of any client.
	Connection int64
	// Resumed: the session goes on, so its subscriptions and redelivery record hold.
	Resumed bool
	// Subscriptions are those that SubscribeClient recorded last; nil for none.
	Subscriptions []byte
	// Delivered are the QoS 1 messages of the session that were appended last, oldest
	// first: one that comes again with DUP is Delivery.Known.
	Delivered []Delivered
	// Previous is the session of the replica that had the client's older connection when
	// that was still open, else "". It may be the caller's own.
	Previous string
}

// InheritRequest names a session that has ended.
type InheritRequest struct {
	// Session and Token are as Doors told them.
	Session, Token string
	// Now is the presence time.
	Now int64
	// Grace is how long a device has at least to be heard of.
	Grace    time.Duration
	Presence PresenceSettings
}

// Inherited is what a call of Inherit did.
type Inherited struct {
	// Clients is how many connections ended, Wills how many unfinished wills were
	// applied.
	Clients, Wills int
	Receipt        PresenceReceipt
}

// DoorSession is the ingest session of one replica of a front door.
type DoorSession struct {
	Session string
	// Token of its lease, "" when it was given up or the session is being inherited.
	Token string
	// Expires is the store time, in microseconds, at which its lease expires: it grows
	// with every Renew.
	Expires int64
	// Expired: by the store's clock that time has passed, or the lease was given up.
	Expired bool
}

// Client is a client as the registry knows it.
type Client struct {
	Name string
	// Session is that of the replica to which it last connected.
	Session    string
	Connection int64
	// Connected is the store time of the CONNECT in microseconds.
	Connected int64
	// Expires is the store time at which its session expires, 0 while it is connected.
	Expires int64
	// Will is its unfinished will; nil for none that tells of a device.
	Will *ClientWill
}

// Broadcast is told to every replica of a front door: a message without a route, for
// the clients that subscribed to it, or, with Client set, a hint that a client has
// connected elsewhere. Hints may be lost; nothing may depend on them but speed.
type Broadcast struct {
	// From is the session that sends.
	From string
	// Topic is 1 to MaxTopic bytes.
	Topic   string
	Payload []byte
	QoS     byte
	// Client has a connection newer than the one with that number, which is to be
	// closed.
	Client     string
	Connection int64
}

// Door says that a router's Source is a front door: its devices connect to the source
// itself, and there is no broker. Such a router has an ingest session of its own,
// whose name begins with Config.Session, and inherits those of replicas that are no
// more.
type Door struct {
	// Clients is the registry, in the store of the router's queue.
	Clients ClientStore
	// Grace is how long devices of a replica that is no more have to be heard of.
	// Default 120 s.
	Grace time.Duration
}
