package pathtest

import (
	"encoding/json"
	"testing"
	"time"

	"sluice/internal/process"
)

// router is a router process.
type router struct{ *process.Process }

// patience bounds every wait of these tests: far more than a slow machine needs.
const patience = process.Patience

// startRouter starts a router process. It is killed when the test ends; then its
// log is shown if the test has failed.
func startRouter(t testing.TB, s settings) *router {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return &router{process.Start(t, envRouter, string(text))}
}

// awaitLeading waits until the router reads the broker.
func (r *router) awaitLeading() { r.AwaitLog(msgLeading, 1) }

// Messages of the router's log that tests wait for.
const (
	msgLeading = "reading the broker"
	msgStandby = "standing by: another router reads the broker"
	msgFull    = "queue is full"
)

// pass waits for d while a fault lasts: the length of the fault is what is
// tested.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
