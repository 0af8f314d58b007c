package redisq_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"sluice"
	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/sluicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestQueue_Conformance(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	sluicetest.TestQueue(t, func(t *testing.T, o sluicetest.QueueOptions) sluice.Queue {
		return open(t, server, redisq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}

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

// connect returns a client of the test's own, to look behind the queue.
func connect(t testing.TB, s *testenv.Server) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// do sends a command to Redis itself.
func do(t testing.TB, c rueidis.Client, words ...string) rueidis.RedisResult {
	t.Helper()
	r := c.Do(context.Background(), c.B().Arbitrary(words...).Build())
	if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%s: %v", words[0], err)
	}
	return r
}
