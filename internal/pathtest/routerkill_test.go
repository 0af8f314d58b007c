package pathtest

import (
	"math/rand/v2"
	"testing"
	"time"

	"sluice"
)

func TestPath_RouterKilledBeforeAppend_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, beforeAppend, routeSensor, routeNumber)
}

// The broker sends again what was appended and not acknowledged: the redelivery
// record knows it.
func TestPath_RouterKilledBetweenAppendAndAck_StoresOnce(t *testing.T) {
	t.Parallel()
	s := killAt(t, afterAppend, routeSensor, routeNumber, routeSensor, routeNumber)
	for _, queue := range []string{routeSensor, routeNumber} {
		if n := s.mustStatus(queue).Account.Dropped[sluice.DropRedelivery]; n == 0 {
			t.Errorf("%s: no redelivery was recognised", queue)
		}
	}
}

func TestPath_RouterKilledBetweenSealAndClaim_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, afterSeal, routeSensor, routeNumber, sluice.QueueDead)
}

func TestPath_RouterKilledAfterClaim_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, afterClaim, routeSensor, routeNumber)
}

func TestPath_RouterKilledBetweenClaimAndHandler_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, beforeHandler, routeSensor, routeNumber, sluice.QueueDead)
}

// The batches that were committed have bad messages: their outcome is found
// again, so that the dead letters are there once and the account balances.
func TestPath_RouterKilledBetweenCommitAndComplete_BalancesWithBadMessages(t *testing.T) {
	t.Parallel()
	killAt(t, afterCommit, routeSensor, routeNumber, sluice.QueueDead, routeSensor, routeNumber)
}

func TestPath_RouterKilledAfterComplete_StoresOnce(t *testing.T) {
	t.Parallel()
	killAt(t, afterComplete, routeSensor, routeNumber, sluice.QueueDead)
}

// killAt lets a router die at a point once for each route, under load of which
// every twentieth message is bad, and verifies what is stored.
func killAt(t *testing.T, at point, routes ...string) *site {
	t.Helper()
	s := newSite(t, siteServers{})
	s.startLeading().Terminate()
	l := s.load(loadPlan{spoil: spoiled, spoilEvery: 20})
	for i, route := range routes {
		nth := 1 + rand.N[int64](3)
		if route == sluice.QueueDead {
			nth = 1 // it seals once a second
		}
		t.Logf("kill %d: %s of %s, passage %d", i+1, at, route, nth)
		s.startDoomed(fate{Point: at, Route: route, Nth: nth}).AwaitKilled()
	}
	last := s.start()
	sent := l.finish()
	s.verify(sent)
	last.Terminate()
	return s
}

// spoiled are messages of both routes that no attempt can store.
func spoiled(i int) *publication {
	if i%2 == 0 {
		return doomed(routeNumber, []byte("short"), routeNumber, sluice.ReasonDecode)
	}
	return doomed(routeSensor, []byte{0x0a, 0x7f, 'x'}, routeSensor, sluice.ReasonDecode)
}

func TestPath_RouterKilledAtRandom_StoresOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	s.startLeading().Terminate()
	l := s.load(loadPlan{spoil: spoiled})
	kills := fromEnv(t, "PATHTEST_KILLS", 20)
	for range kills {
		r := s.start()
		if rand.N(2) == 0 { // while it starts, leases and connects, or later
			r.awaitLeading()
		}
		pass(t, rand.N(400*time.Millisecond))
		r.Kill()
	}
	last := s.start()
	sent := l.finish()
	s.verify(sent)
	last.Terminate()
	t.Logf("%d kills", kills)
}
