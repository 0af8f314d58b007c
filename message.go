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
	Retain   bool
}
