package sluice

import "context"

// Source opens sessions with a broker, which package mqtt implements, or is a front
// door to which devices connect (see Door).
type Source interface {
	// Open connects, subscribes to the filters of the router's mux, then
	// unsubscribes from obsolete ones, which an earlier configuration left in the
	// broker's session (as Filter.Subscription writes them). It returns once the
	// broker has confirmed all of it; ctx bounds it.
	//
	// A front door begins to accept clients, and registers them under l until the
	// session is closed; obsolete is nil.
	Open(ctx context.Context, l Lease, obsolete []string) (Session, error)
}

// Session is one connection to a broker, or all those of the clients of a front
// door. Receive and Ack are called from one goroutine, Close from any.
type Session interface {
	// Resumed tells whether the broker still had the state of the session that
	// an earlier connection left. When it had not, messages may be lost. Of a front
	// door it is not asked.
	Resumed() bool
	// ReceiveMaximum is how many QoS 1 messages the broker may have sent that
	// are not acknowledged [MQTT5 3.1.2.11.3]. Of a front door it is not asked.
	ReceiveMaximum() int
	// Receive returns everything that has arrived since the last call, in order
	// of receipt, and blocks while that is nothing. The result is valid until
	// the next call. An error ends the session, except ctx's own.
	Receive(ctx context.Context) ([]Delivery, error)
	// Ack writes the PUBACKs of the QoS 1 messages among ds, in order, in one
	// write. Acknowledge in the order of receipt. A front door writes to each client its
	// own, and none for deliveries that are Stale, whose connections it closes.
	Ack(ds []Delivery) error
	// Mark publishes payload at QoS 1 on the marker topic, to which the session is
	// subscribed itself: it comes back behind everything that the broker had for the
	// session, or that a front door had read. Safe for concurrent use. An error ends the
	// session.
	Mark(payload []byte) error
	// Close ends the connection with DISCONNECT, keeping the broker's session.
	// It unblocks Receive. What was received and not acknowledged will be sent
	// again to the next session. A front door closes the connections of its clients
	// without a word to the registry: the session is inherited.
	Close() error
}
