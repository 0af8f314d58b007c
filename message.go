package sluice

import "time"

// MaxPayload is the default limit of a message's payload in bytes. A larger
// message becomes a dead letter with ReasonTooLarge.
const MaxPayload = 60 << 10

// MaxTopic is the limit of a topic name in bytes [MQTT 1.5.4].
const MaxTopic = 65535

// Message is one MQTT PUBLISH as a handler sees it.
type Message struct {
	// Topic is the concrete topic name, 1 to MaxTopic bytes of UTF-8.
	Topic string
	// Payload belongs to the batch: a handler may read it until it returns and
	// must not change it, because a retry sees the same bytes.
	Payload []byte
	// Received is when the router read the message from its connection, by the
	// router's clock, in microseconds. It stays the same over every retry, so
	// validation against it is repeatable.
	Received time.Time
}

// Delivery is one PUBLISH as a Source hands it to the router, before it is
// stored. Its slices are valid until the next call of Session.Receive.
type Delivery struct {
	Topic   []byte
	Payload []byte
	// Received is the Unix time in microseconds at which the read returned that
	// brought the message.
	Received int64
	// Subscriptions are the subscription identifiers that the broker attached:
	// 1 + the index of the filter in Mux.Filters, or 0 for a subscription of an
	// earlier configuration. Empty when it sent none.
	Subscriptions []uint32
	// PacketID is 0 for QoS 0.
	PacketID uint16
	QoS      byte
	Dup      bool
	Retain   bool // not looked at with Client set: nobody retains what comes in directly

	// Client is the name of the client that sent it, "" for a broker. What follows is
	// zero then.
	Client string
	// Connection is the number that the registry gave the client's connection.
	Connection int64
	// Known: the source recognised the message as one that was appended before (see
	// Connected.Delivered). It is acknowledged and not appended again.
	Known bool
	// Will: the message is the last will of the connection, which has ended. Nothing of
	// the connection follows it, and nobody waits for its PUBACK: PacketID is 0.
	Will bool
	// Stale is set before Ack when the message was not stored because the connection is
	// not its client's newest any more. It must not be acknowledged: the client sends it
	// again on its newer one.
	Stale bool
}
