package server

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"sluice/mqtt/server/wire"
)

// deaf connects a client whose receive buffer is small and who reads nothing.
func (s *site) deaf(h hello) *client {
	s.Helper()
	c := s.dial()
	c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	c.hello(h)
	return c
}

// A client that does not read its PUBACKs costs a bounded buffer and nobody else
// anything, and is disconnected in the end.
func TestOutput_ClientThatNeverReads_HoldsNobodyUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.ReceiveMaximum = 60_000 })
	deaf := s.deaf(hello{version: wire.V311, id: "deaf", clean: true})
	other := s.connect(hello{id: "other"})
	many := make([]string, 10_000)
	ended := make(chan error, 1)
	go func() { // until it is disconnected
		for {
			var b []byte
			for i := range many {
				b = append(b, deaf.message("data/x", "", uint16(i+1), 0)...)
			}
			deaf.SetWriteDeadline(time.Now().Add(patience))
			if _, err := deaf.Write(b); err != nil {
				ended <- err
				return
			}
		}
	}()
	for n := 0; ; n++ {
		other.acks(wire.Success, other.publish("data/other", fmt.Sprint(n)))
		select {
		case err := <-ended:
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Error("the client was not disconnected")
			}
			return
		default:
		}
	}
}

// What does not fit into the socket is written when the client reads again, in order.
func TestOutput_SlowReader_GetsAllInOrder(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			changes := []func(*Config){func(c *Config) { c.MaxQueued, c.MaxQueuedBytes = 1000, 64<<20 }}
			if secure {
				changes = append(changes, a.secure(""))
			}
			s := newSite(t, changes...)
			connect := func(id string) *client {
				c := s.dial()
				if secure {
					c, _ = c.over(a.client(""))
				}
				c.hello(hello{id: id})
				return c
			}
			slow, p := connect("slow"), connect("p")
			slow.subscribe("big", 0)
			payload := func(i int) string { return fmt.Sprintf("%d %s", i, make([]byte, 60_000)) }
			for i := range 400 { // 24 MB: more than sockets hold
				p.acks(wire.Success, p.publish("big", payload(i)))
			}
			for i := range 400 {
				slow.receives("big", payload(i))
			}
			s.counts("all delivered", func(st Stats) bool { return st.Delivered == 400 && st.Dropped == 0 })
		})
	}
}

func TestDrain_WhatIsAcknowledgedIsStored(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	all := make([]*client, 20)
	for i := range all {
		all[i] = s.connect(hello{version: wire.V311, id: fmt.Sprint(i), clean: true})
		for n := range 50 {
			all[i].publish("data/x", fmt.Sprintf("%d-%d", i, n))
		}
	}
	s.stop()
	acked := 0
	for _, c := range all {
		for {
			first, _, err := c.next(patience)
			if err != nil {
				break
			}
			if first == 0x40 {
				acked++
			}
		}
	}
	q, err := s.store.Status(t.Context(), "data/#")
	if err != nil {
		t.Fatal(err)
	}
	if q.Account.Received < int64(acked) {
		t.Errorf("%d acknowledged, %d stored", acked, q.Account.Received)
	}
}
