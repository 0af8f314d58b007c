package redisq_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// A policy may change between two appends (a new configuration); the batches are
// those of a queue that takes one message after the other.
func TestAppend_UnderChangingPolicies_CutsExactly(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("appendfsync no"))
	rapid.Check(t, func(rt *rapid.T) {
		c := redisq.Config{URL: server.URL(), Profile: redisq.Fast, Facility: fmt.Sprintf("plant-%d", facilities.Add(1))}
		q, err := redisq.Open(t.Context(), c)
		if err != nil {
			rt.Fatal(err)
		}
		defer q.Close()
		s := queuetest.NewSession(t, q)
		var m queuetest.Model
		for range rapid.IntRange(1, 8).Draw(rt, "groups") {
			m.Append(rt, s, 0)
		}
		queuetest.Status(t, q, queuetest.Door)
		if diff := cmp.Diff(m.Sealed, queuetest.Drain(t, q, queuetest.Door)); diff != "" {
			rt.Fatalf("batches (-want +got):\n%s", diff)
		}
	})
}
