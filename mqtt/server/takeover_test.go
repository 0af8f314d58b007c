package server

import (
	"fmt"
	"testing"

	"sluice"
	"sluice/internal/testenv"
	"sluice/mqtt/server/wire"
	"sluice/redisq"
	"sluice/sluicetest"
)

// stores runs a test on a store in memory and on Redis.
func bothStores(t *testing.T, test func(t *testing.T, on store)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, sluicetest.NewQueue())
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		q, err := redisq.Open(t.Context(), redisq.Config{URL: testenv.Redis(t).URL(), Facility: "plant-1"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Close)
		test(t, q)
	})
}

func TestTakeover_EndsTheOlderConnection(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t)
		h := hello{version: v, id: "a", will: &testWill{topic: "lwt/a", payload: lwtOf(t, "a", 100)}}
		old := s.connect(h)
		old.acks(wire.Success, old.publish("connect/a", string(connectOf(t, "a"))))
		fresh := s.connect(h)
		want := wire.SessionTakenOver
		if v == wire.V311 {
			want = 0xFF
		}
		if got := old.ends(); got != want {
			t.Errorf("DISCONNECT %v, want %v", got, want)
		}
		fresh.acks(wire.Success, fresh.publish("data/a", "1"))
		s.device("a", sluice.DeviceUp)
		if n := s.server.Stats().Wills; n != 0 {
			t.Errorf("%d wills, want none", n)
		}
	})
}

func TestTakeover_ByAnotherReplica(t *testing.T) {
	t.Parallel()
	bothStores(t, func(t *testing.T, on store) {
		here, there := startSite(t, on), startSite(t, on)
		h := hello{id: "a", properties: expires(3600)}
		old := here.connect(h)
		old.acks(wire.Success, old.publish("data/a", "1"))
		fresh := there.connect(h)
		if !fresh.present {
			t.Error("session present 0, want 1")
		}
		if got := old.ends(); got != wire.SessionTakenOver {
			t.Errorf("DISCONNECT %v, want 0x8E", got)
		}
	})
}

// Without the hint the store's fence does it, at the next append.
func TestTakeover_WithoutTheHint_StaleMessagesAreNotAcknowledged(t *testing.T) {
	t.Parallel()
	bothStores(t, func(t *testing.T, on store) {
		here, there := startSite(t, on), startSite(t, on)
		here.queue.Fail("Append", sluicetest.Refuse, errDown, -1)
		h := hello{id: "a", properties: expires(3600)}
		old, stays := here.connect(h), here.connect(hello{id: "stays"})
		old.publish("data/a", "1", "2")
		kept := stays.publish("data/stays", "3")
		here.counts("read", func(st Stats) bool { return st.PublishesQoS1 == 3 })
		fresh := there.connect(h)
		fresh.write(append(fresh.message("data/a", "1", 1, 8), fresh.message("data/a", "2", 2, 8)...))
		fresh.acks(wire.Success, 1, 2)
		here.queue.Fail("Append", sluicetest.Pass, nil, 0)
		stays.acks(wire.Success, kept)
		for {
			first, body, err := old.next(patience)
			if err != nil {
				break
			}
			if first == 0x40 {
				t.Fatalf("PUBACK %x for a stale message", body)
			}
		}
		here.eventually(func() error {
			q, err := on.Status(t.Context(), "data/#")
			if err == nil && q.Account.Received != 3 {
				return fmt.Errorf("account %+v, want 3 received", q.Account)
			}
			return err
		})
	})
}

// The PUBACK was lost with the connection: what is sent again is not stored again.
func TestResume_WhatIsSentAgain_IsAcknowledgedAndStoredOnce(t *testing.T) {
	t.Parallel()
	bothStores(t, func(t *testing.T, on store) {
		s := startSite(t, on)
		h := hello{id: "a", properties: expires(3600)}
		c := s.connect(h)
		c.publish("data/a", "1", "2")
		s.stores("1", "2")
		c.Close()
		c = s.connect(h)
		if !c.present {
			t.Error("session present 0, want 1")
		}
		c.write(append(c.message("data/a", "1", 1, 8), c.message("data/a", "2", 2, 8)...))
		c.write(c.message("data/a", "3", 3, 8)) // never arrived
		c.acks(wire.Success, 1, 2, 3)
		s.stores("1", "2", "3")
	})
}

func TestResume_CleanStart_ForgetsTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := hello{id: "a", properties: expires(3600)}
	c := s.connect(h)
	c.subscribe("pulse", 0)
	c.disconnect()
	c = s.connect(h)
	if !c.present {
		t.Error("session present 0, want 1")
	}
	c.disconnect()
	h.clean = true
	if c = s.connect(h); c.present {
		t.Error("session present 1, want 0")
	}
}

func TestConnects_OfOneClientAtOnce_LeaveOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	all := make([]*client, 20)
	for i := range all {
		all[i] = s.dial()
		all[i].write(hello{id: "a"}.packet())
	}
	s.eventually(func() error {
		st := s.server.Stats()
		if st.Connects[wire.Success] != 20 || st.Connections != 1 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	alive := 0
	for _, c := range all {
		c.packet()
		c.write([]byte{0xC0, 0})
		if first, _, err := c.next(patience); err == nil && first == 0xD0 {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d connections answer, want 1", alive)
	}
}
