package redisq_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/sluicetest"
)

func TestClients_Conformance(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("appendfsync no"))
	sluicetest.TestClients(t, func(t *testing.T, _ sluicetest.QueueOptions) sluicetest.Store {
		return open(t, server, redisq.Config{Profile: redisq.Fast})
	})
}

// A client's name is the client's choice: it is never a part of a key. What a session
// has under a key of its own goes with it.
func TestClients_LeaveNoKeysBehind(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	q, raw := open(t, server, redisq.Config{Facility: "plant"}), connect(t, server)
	s := queuetest.NewSession(t, q)
	records := func() (n int) {
		t.Helper()
		names, err := do(t, raw, "KEYS", "*").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			rest, ok := strings.CutPrefix(name, "sluice:{plant}:")
			if rest, record := strings.CutPrefix(rest, "delivered:"); record {
				n++
				ok = ok && strings.Trim(rest, "0123456789") == ""
			}
			if !ok {
				t.Errorf("key %q", name)
			}
		}
		return n
	}
	names := []string{"a}b{", "x\r\nFLUSHALL\r\n", "\x00\xff", "1", strings.Repeat("n", sluice.MaxClientID)}
	for round := range 2 { // the second is a clean start
		for i, name := range names {
			c, err := q.Connect(t.Context(), s.Lease, sluice.ConnectRequest{Client: name, CleanStart: true})
			if err != nil {
				t.Fatal(err)
			}
			if n := records(); n > len(names)-round {
				t.Fatalf("%d redelivery records after the clean start of a client, want %d", n, len(names)-1)
			}
			g := s.Group(sluice.Policy{}.Resolve(), "m")
			g.Clients = []sluice.GroupClient{{Client: name, Connection: c.Connection, Delivered: []sluice.Delivered{{PacketID: uint16(i), Hash: 1}}}}
			s.Append(g)
			if err := q.Disconnect(t.Context(), s.Lease, name, c.Connection, 0, false); err != nil {
				t.Fatal(err)
			}
		}
		if n := records(); n != len(names) {
			t.Fatalf("%d redelivery records, want %d", n, len(names))
		}
	}
	age(t, raw)
	if _, removed, err := q.PruneClients(t.Context(), ""); err != nil || removed != len(names) {
		t.Fatalf("%d clients were removed (%v), want %d", removed, err, len(names))
	}
	if n := records(); n != 0 {
		t.Errorf("%d redelivery records are left", n)
	}
	if n, err := q.CountClients(t.Context()); err != nil || n != 0 {
		t.Errorf("%d clients are left (%v)", n, err)
	}
}

// age lets every client have expired an hour ago.
func age(t *testing.T, raw rueidis.Client) {
	t.Helper()
	do(t, raw, "EVAL", `local all = redis.call('HGETALL', KEYS[1])
		for i = 1, #all, 2 do
			local record = string.gsub(all[i + 1], '^(%d+ %d+ %d+) (%d+)', function(head, expires)
				return string.format('%s %d', head, expires - 3600000000)
			end)
			redis.call('HSET', KEYS[1], all[i], record)
		end`, "1", "sluice:{plant}:clients")
}

// However often a client connects and sends, its record stays small.
func TestClients_RecordIsBounded(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("appendfsync no"))
	q, raw := open(t, server, redisq.Config{Facility: "plant", Profile: redisq.Fast}), connect(t, server)
	s := queuetest.NewSession(t, q)
	for i := range 300 {
		c, err := q.Connect(t.Context(), s.Lease, sluice.ConnectRequest{Client: "c", Expiry: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		g := s.Group(sluice.Policy{}.Resolve(), "m")
		one := sluice.GroupClient{Client: "c", Connection: c.Connection}
		for p := range 7 {
			one.Delivered = append(one.Delivered, sluice.Delivered{PacketID: uint16(i*7 + p)})
		}
		g.Clients = []sluice.GroupClient{one}
		s.Append(g)
	}
	size, err := do(t, raw, "STRLEN", fmt.Sprint("sluice:{plant}:delivered:", 1)).AsInt64()
	if err != nil || size < 10*sluice.ClientDelivered || size > 20*sluice.ClientDelivered {
		t.Errorf("the record has %d bytes (%v), want %d to %d", size, err, 10*sluice.ClientDelivered, 20*sluice.ClientDelivered)
	}
}
