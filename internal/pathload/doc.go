// Package pathload is load for tests of the data path, and what must have become of
// it: devices that publish readings and keyless messages, and a ledger that compares
// what was acknowledged with the tables and the accounts.
//
//	l := pathload.Start(t, addr, pathload.Plan{})
//	... // break things
//	ledger.Verify(l.Finish())
package pathload

import (
	"testing"
	"time"

	"sluice/internal/process"
)

// The routes of the load, by the name of their queue.
const (
	RouteSensor = "data/sensor"
	RouteNumber = "count/number" // has no key: a message stored twice shows
)

// Eventually calls check 20 times a second until it returns nil, and fails the
// test with its last error when it has not within the given time.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		err := check()
		if err == nil {
			return
		}
		if time.Since(began) > within {
			t.Fatalf("not within %v: %v", within, err)
		}
	}
}

// patience bounds every wait: far more than a slow machine needs.
const patience = process.Patience
