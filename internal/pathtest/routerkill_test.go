package pathtest

import (
	"math/rand/v2"
	"testing"
	"time"

	"sluice"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

func TestPath_RouterKilledBeforeAppend_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, beforeAppend, pathload.RouteSensor, pathload.RouteNumber)
}

// The broker sends again what was appended and not acknowledged: the redelivery
// record knows it.
func TestPath_RouterKilledBetweenAppendAndAck_StoresOnce(t *testing.T) {
	t.Parallel()
	s := killAt(t, afterAppend, pathload.RouteSensor, pathload.RouteNumber, pathload.RouteSensor, pathload.RouteNumber)
	for _, queue := range []string{pathload.RouteSensor, pathload.RouteNumber} {
		if n := s.MustStatus(queue).Account.Dropped[sluice.DropRedelivery]; n == 0 {
			t.Errorf("%s: no redelivery was recognised", queue)
		}
	}
}

func TestPath_RouterKilledBetweenSealAndClaim_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, afterSeal, pathload.RouteSensor, pathload.RouteNumber, sluice.QueueDead)
}

func TestPath_RouterKilledAfterClaim_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, afterClaim, pathload.RouteSensor, pathload.RouteNumber)
}

func TestPath_RouterKilledBetweenClaimAndHandler_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, beforeHandler, pathload.RouteSensor, pathload.RouteNumber, sluice.QueueDead)
}

// The batches that were committed have bad messages: their outcome is found
// again, so that the dead letters are there once and the account balances.
func TestPath_RouterKilledBetweenCommitAndComplete_BalancesWithBadMessages(t *testing.T) {
	t.Parallel()
	killAt(t, afterCommit, pathload.RouteSensor, pathload.RouteNumber, sluice.QueueDead, pathload.RouteSensor, pathload.RouteNumber)
}

func TestPath_RouterKilledAfterComplete_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, afterComplete, pathload.RouteSensor, pathload.RouteNumber, sluice.QueueDead)
}

// killAt lets a router die at a point once for each route, under load of which
// every twentieth message is bad, and verifies what is stored.
func killAt(t *testing.T, at point, routes ...string) *site {
	t.Helper()
	s := newSite(t, siteServers{})
	s.startLeading().Terminate()
	l := s.load(pathload.Plan{Spoil: spoiled, SpoilEvery: 20})
	for i, route := range routes {
		nth := 1 + rand.N[int64](3)
		if route == sluice.QueueDead {
			nth = 1 // it seals once a second
		}
		t.Logf("kill %d: %s of %s, passage %d", i+1, at, route, nth)
		s.startDoomed(fate{Point: at, Route: route, Nth: nth}).AwaitKilled()
	}
	last := s.start()
	sent := l.Finish()
	s.Verify(sent)
	last.Terminate()
	return s
}

// spoiled are messages of both routes that no attempt can store.
func spoiled(i int) *pathload.Publication {
	if i%2 == 0 {
		return pathload.Doomed(pathload.RouteNumber, []byte("short"), pathload.RouteNumber, sluice.ReasonDecode)
	}
	return pathload.Doomed(pathload.RouteSensor, []byte{0x0a, 0x7f, 'x'}, pathload.RouteSensor, sluice.ReasonDecode)
}

func TestPath_RouterKilledAtRandom_StoresOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	s.startLeading().Terminate()
	l := s.load(pathload.Plan{Spoil: spoiled})
	kills := testenv.Number(t, "PATHTEST_KILLS", 20)
	for range kills {
		r := s.start()
		if rand.N(2) == 0 { // while it starts, leases and connects, or later
			r.awaitLeading()
		}
		pass(t, rand.N(400*time.Millisecond))
		r.Kill()
	}
	last := s.start()
	sent := l.Finish()
	s.Verify(sent)
	last.Terminate()
	t.Logf("%d kills", kills)
}
