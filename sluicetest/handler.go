package sluicetest

import (
	"time"

	"sluice"
)

// epoch is when the messages of Message were received.
var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Message returns a message as a handler sees it, received at the start of 2025.
func Message(topic string, payload []byte) sluice.Message {
	return sluice.Message{Topic: topic, Payload: payload, Received: epoch}
}

// Batch returns the first attempt at a batch of a route with a new id. route is
// a filter such as `data/{device}`, which Batch.Capture then knows; it panics
// when it is none.
func Batch(route string, msgs ...sluice.Message) *sluice.Batch {
	f, err := sluice.ParseFilter(route)
	if err != nil {
		panic("sluicetest: " + err.Error())
	}
	b := &sluice.Batch{ID: sluice.NewBatchID(), Route: route, Attempt: 1, Messages: msgs}
	return b.WithFilters(f)
}
