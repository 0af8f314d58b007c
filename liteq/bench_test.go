package liteq_test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/liteq"
)

// BenchmarkQueue carries messages of 41 bytes all the way: append in groups, claim,
// complete, in batches of 5000. cpu-us/msg is the CPU time of the process, the kernel's
// share with it.
func BenchmarkQueue(b *testing.B) {
	for _, size := range []int{25, 100, 500} {
		b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) { measure(b, size, queuePush(b, size)) })
	}
}

// BenchmarkClients does so with messages from the clients of a front door.
func BenchmarkClients(b *testing.B) {
	for _, clients := range []int{20, 100, 500} {
		b.Run(fmt.Sprintf("group=500/clients=%d", clients), func(b *testing.B) {
			measure(b, 500, clientPush(b, 500, clients))
		})
	}
}

// measure pushes b.N messages, a group at a time.
func measure(b *testing.B, size int, push func()) {
	b.ReportAllocs()
	before, n := cpu(b), 0
	for b.ResetTimer(); n < b.N; n += size {
		push()
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(n), "cpu-us/msg")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func queuePush(b *testing.B, size int) func() {
	q := open(b, liteq.Config{})
	s := queuetest.NewSession(b, q)
	g := s.Group(sluice.Policy{}.Resolve(), queuetest.Numbered(0, size, 41)...)
	g.Remember = 2000
	for i := range size {
		g.Delivered = append(g.Delivered, sluice.Delivered{PacketID: uint16(i), Hash: uint64(i)})
	}
	return pusher(b, s, g)
}

func pusher(b *testing.B, s *queuetest.Session, g *sluice.Group) func() {
	g.Number = 0
	return func() {
		g.Number++
		if s.Append(g).Parts[0].Sealed > 0 {
			queuetest.Complete(b, s.Q, queuetest.Claim(b, s.Q, queuetest.Door))
		}
	}
}

func clientPush(b *testing.B, size, clients int) func() {
	q := open(b, liteq.Config{})
	s := queuetest.NewSession(b, q)
	g := s.Group(sluice.Policy{}.Resolve(), queuetest.Numbered(0, size, 41)...)
	s.Clients(g, size, clients)
	return pusher(b, s, g)
}

// BenchmarkOpen opens a file in which 100 000 devices are known.
func BenchmarkOpen(b *testing.B) {
	f := openFile(b, filepath.Join(b.TempDir(), "sluice.db"))
	b.Cleanup(func() { closeFile(b, f) })
	q := openQueue(b, f, liteq.Config{})
	s := queuetest.NewSession(b, q)
	for first := range 100 {
		g := s.Group(sluice.Policy{}.Resolve())
		for n := range 1000 {
			g.Moves = append(g.Moves, sluice.Move{Kind: sluice.MoveConnect, Device: fmt.Sprintf("greenhouse-%06d", 1000*first+n), At: int64(n)})
		}
		s.Append(g)
	}
	closeQueue(b, q)
	for b.Loop() {
		closeQueue(b, openQueue(b, f, liteq.Config{}))
	}
}
