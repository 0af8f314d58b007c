package redisq_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"sluice"
	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/sluicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// facilities makes each test's queue its own in a Redis that tests share.
var facilities atomic.Int64

// open opens a queue of a new facility on the server.
func open(t testing.TB, s *testenv.Server, c redisq.Config) *redisq.Queue {
	t.Helper()
	c.URL = s.URL()
	if c.Facility == "" {
		c.Facility = fmt.Sprintf("plant-%d", facilities.Add(1))
	}
	q, err := redisq.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func TestQueue_Conformance(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	sluicetest.TestQueue(t, func(t *testing.T, o sluicetest.QueueOptions) sluice.Queue {
		return open(t, server, redisq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}
