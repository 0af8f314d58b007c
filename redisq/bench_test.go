package redisq_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"sluice"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// BenchmarkQueue carries messages of 41 bytes all the way: append in groups,
// claim, complete, in batches of 5000, with AOF always. Beside the time of a
// message it prints redis-us/msg, the CPU time of Redis for it.
func BenchmarkQueue(b *testing.B) {
	for _, size := range []int{25, 100, 500} {
		b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) { benchmark(b, size, 0) })
	}
	b.Run("group=25/paced=5000", func(b *testing.B) { benchmark(b, 25, 5*time.Millisecond) })
}

// benchmark appends b.N messages, a group every interval (0: at once).
func benchmark(b *testing.B, size int, every time.Duration) {
	server := testenv.Redis(b)
	q := open(b, server, redisq.Config{})
	raw := connect(b, server)
	l, err := q.Lease(b.Context(), "s", "a", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	g := &sluice.Group{Lease: l, Remember: 2000, Parts: []sluice.Part{{Queue: "data/sensor", Policy: sluice.Policy{}.Resolve()}}}
	for i := range size {
		g.Parts[0].Frame.Append([]byte("data/sensor"), make([]byte, 41), int64(i))
		g.Delivered = append(g.Delivered, sluice.Delivered{PacketID: uint16(i), Hash: uint64(i)})
	}
	var tick <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}
	before := cpuMicros(b, raw)
	b.ResetTimer()
	for done := 0; done < b.N; done += size {
		if tick != nil {
			<-tick
		}
		g.Number++
		receipt, err := q.Append(b.Context(), g)
		if err != nil {
			b.Fatal(err)
		}
		if receipt.Parts[0].Sealed > 0 {
			settle(b, q, "data/sensor")
		}
	}
	b.StopTimer()
	b.ReportMetric((cpuMicros(b, raw)-before)/float64(max(b.N, size)), "redis-us/msg")
}

// settle claims the next batch and completes it.
func settle(t testing.TB, q *redisq.Queue, queue string) *sluice.Batch {
	t.Helper()
	got, err := q.Claim(t.Context(), sluice.ClaimRequest{Queue: queue, Concurrency: 1, TTL: time.Minute})
	if err != nil || got.Claim == nil {
		t.Fatalf("claim: %v, %+v", err, got)
	}
	if err := q.Complete(t.Context(), got.Claim, sluice.Outcome{Stored: len(got.Claim.Batch.Messages)}); err != nil {
		t.Fatal(err)
	}
	return got.Claim.Batch
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

// cpuMicros is the CPU time that Redis has used, all its threads together.
func cpuMicros(t testing.TB, c rueidis.Client) float64 {
	t.Helper()
	info, err := c.Do(context.Background(), c.B().Info().Section("cpu").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			total += seconds * 1e6
		}
	}
	return total
}
