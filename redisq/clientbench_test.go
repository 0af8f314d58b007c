package redisq_test

import (
	"fmt"
	"testing"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
)

// BenchmarkClients appends groups of 500 messages from 100 clients of a front door,
// as BenchmarkQueue does those of a broker.
func BenchmarkClients(b *testing.B) {
	for _, clients := range []int{100, 500} {
		b.Run(fmt.Sprintf("group=500/clients=%d", clients), func(b *testing.B) {
			server := testenv.Redis(b)
			measure(b, server, 500, 0, clientPush(b, server, 500, clients))
		})
	}
}

func clientPush(b *testing.B, server *testenv.Server, size, clients int) func() {
	b.Helper()
	q := open(b, server, redisq.Config{})
	s := queuetest.NewSession(b, q)
	g := s.Group(sluice.Policy{}.Resolve(), queuetest.Numbered(0, size, 41)...)
	s.Clients(g, size, clients)
	g.Number = 0
	return func() {
		g.Number++
		if s.Append(g).Parts[0].Sealed > 0 {
			queuetest.Complete(b, q, queuetest.Claim(b, q, queuetest.Door))
		}
	}
}
