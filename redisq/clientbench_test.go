package redisq_test

import (
	"fmt"
	"testing"
	"time"

	"sluice"
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
	s := newSession(b, q)
	g := s.group(sluice.Policy{}.Resolve(), numbered(0, size, 41)...)
	for i := range clients {
		name := fmt.Sprintf("greenhouse-%04d", i)
		c, err := q.Connect(b.Context(), s.lease, sluice.ConnectRequest{
			Client: name, Expiry: time.Hour, Will: &sluice.ClientWill{Device: name, Delay: 1e6},
		})
		if err != nil {
			b.Fatal(err)
		}
		one := sluice.GroupClient{Client: name, Connection: c.Connection}
		for p := range size / clients {
			one.Delivered = append(one.Delivered, sluice.Delivered{PacketID: uint16(p), Hash: uint64(i * p)})
		}
		g.Clients = append(g.Clients, one)
	}
	g.Number = 0
	return func() {
		g.Number++
		if s.append(g).Parts[0].Sealed > 0 {
			complete(b, q, claim(b, q, door))
		}
	}
}
