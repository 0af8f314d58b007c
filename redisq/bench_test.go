package redisq_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// BenchmarkQueue carries messages of 41 bytes all the way: append in groups,
// claim, complete, in batches of 5000, with AOF always. Beside the time of a
// message it prints redis-us/msg, the CPU time of Redis for it, and
// script-us/msg, the part of it that the scripts take.
//
// BenchmarkBarePush pushes the same bytes with a single RPUSH per group. It is
// the least that a durable group can cost on the machine: mostly the fsync.
func BenchmarkQueue(b *testing.B) { benchmark(b, queuePush) }

func BenchmarkBarePush(b *testing.B) { benchmark(b, barePush) }

func benchmark(b *testing.B, start func(b *testing.B, server *testenv.Server, size int) (push func())) {
	for _, size := range []int{25, 100, 500} {
		b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) {
			server := testenv.Redis(b)
			measure(b, server, size, 0, start(b, server, size))
		})
	}
	b.Run("group=25/paced=5000", func(b *testing.B) {
		server := testenv.Redis(b)
		measure(b, server, 25, 5*time.Millisecond, start(b, server, 25))
	})
}

// measure pushes b.N messages, a group every interval (0: at once).
func measure(b *testing.B, server *testenv.Server, size int, every time.Duration, push func()) {
	raw := connect(b, server)
	var tick <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}
	cpu, scripts := used(b, raw)
	n := 0
	for b.ResetTimer(); n < b.N; n += size {
		if tick != nil {
			<-tick
		}
		push()
	}
	b.StopTimer()
	cpuAfter, scriptsAfter := used(b, raw)
	b.ReportMetric((cpuAfter-cpu)/float64(n), "redis-us/msg")
	b.ReportMetric((scriptsAfter-scripts)/float64(n), "script-us/msg")
}

func queuePush(b *testing.B, server *testenv.Server, size int) func() {
	q := open(b, server, redisq.Config{})
	s := queuetest.NewSession(b, q)
	g := s.Group(sluice.Policy{}.Resolve(), queuetest.Numbered(0, size, 41)...)
	g.Remember = 2000
	for i := range size {
		g.Delivered = append(g.Delivered, sluice.Delivered{PacketID: uint16(i), Hash: uint64(i)})
	}
	g.Number = 0
	return func() {
		g.Number++
		if s.Append(g).Parts[0].Sealed > 0 {
			queuetest.Complete(b, q, queuetest.Claim(b, q, queuetest.Door))
		}
	}
}

func barePush(b *testing.B, server *testenv.Server, size int) func() {
	var f sluice.Frame
	for _, p := range queuetest.Numbered(0, size, 41) {
		f.Append([]byte(queuetest.Door), []byte(p), 1)
	}
	raw := connect(b, server)
	return func() { do(b, raw, "RPUSH", "list", string(f.Data)) }
}

// used is the CPU time that Redis has used, all its threads together, and the
// part of it in scripts, both in microseconds.
func used(t testing.TB, c rueidis.Client) (cpu, scripts float64) {
	t.Helper()
	info, err := do(t, c, "INFO", "cpu", "commandstats").ToString()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "used_cpu_sys", "used_cpu_user":
			cpu += 1e6 * number(t, value)
		case "cmdstat_evalsha":
			_, value, _ = strings.Cut(value, "usec=")
			value, _, _ = strings.Cut(value, ",")
			scripts += number(t, value)
		}
	}
	return cpu, scripts
}

func number(t testing.TB, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
