package server

import (
	"errors"
	"testing"
	"time"

	"sluice"
	"sluice/mqtt/server/wire"
	"sluice/sluicetest"
)

// guarded connects a device with a last will that has said that it is there.
func (s *site) guarded(device string, h hello) *client {
	s.Helper()
	h.id = device
	if h.will == nil {
		h.will = &testWill{topic: "lwt/" + device, payload: lwtOf(s, device, 100)}
	}
	c := s.connect(h)
	c.acks(wire.Success, c.publish("connect/"+device, string(connectOf(s, device))))
	s.device(device, sluice.DeviceUp)
	return c
}

func TestWill_OfALostConnection_AppliesOnce(t *testing.T) {
	t.Parallel()
	bothStores(t, func(t *testing.T, on store) {
		s := startSite(t, on)
		c := s.guarded("a", hello{properties: expires(3600)})
		c.Close()
		s.device("a", sluice.DeviceSuspect)
		s.clientIs("a", func(c sluice.Client) error {
			if c.Will != nil || c.Expires == 0 {
				return errors.New("its will is not done")
			}
			return nil
		})
		s.guarded("a", hello{properties: expires(3600)})
		if n := s.server.Stats().Wills; n != 1 {
			t.Errorf("%d wills, want 1", n)
		}
	})
}

func TestWill_BehindWhatTheConnectionSent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a", will: &testWill{topic: "data/last", payload: []byte("will"), qos: 1}})
	c.publish("data/a", "1", "2", "3")
	c.Close()
	s.stores("1", "2", "3", "will")
}

func TestWill_Disconnect_WithdrawsIt(t *testing.T) {
	t.Parallel()
	bothStores(t, func(t *testing.T, on store) {
		s := startSite(t, on)
		c := s.guarded("a", hello{properties: expires(3600)})
		c.disconnect()
		s.clientIs("a", func(c sluice.Client) error {
			if c.Will != nil || c.Expires == 0 {
				return errors.New("still connected")
			}
			return nil
		})
		s.device("a", sluice.DeviceUp)
		if st := s.server.Stats(); st.Wills+st.Lost != 0 {
			t.Errorf("%+v, want no will", st)
		}
	})
}

// While the registry does not answer, the door insists.
func TestWill_DisconnectWhileTheRegistryIsDown_WithdrawsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.guarded("a", hello{})
	s.queue.Fail("Disconnect", sluicetest.Refuse, errDown, 3)
	c.disconnect()
	s.clientIs("a", func(c sluice.Client) error {
		if c.Expires == 0 {
			return errors.New("still connected")
		}
		return nil
	})
	s.device("a", sluice.DeviceUp)
}

func TestWill_DisconnectWithWill_AppliesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.guarded("a", hello{})
	c.write([]byte{0xE0, 1, 4})
	c.ends()
	s.device("a", sluice.DeviceSuspect)
}

func TestWill_AfterAViolation_Applies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.guarded("a", hello{})
	c.write([]byte{0xF0, 0})
	c.ends()
	s.device("a", sluice.DeviceSuspect)
}

func TestWill_KeepaliveRunsOut_Applies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.guarded("a", hello{keepalive: 1})
	talks := s.guarded("b", hello{keepalive: 1})
	end := time.Now().Add(patience)
	for s.server.Stats().Silent == 0 && time.Now().Before(end) {
		talks.ping()
	}
	if got := c.ends(); got != wire.KeepAliveTimeout {
		t.Errorf("DISCONNECT %v, want 0x8D", got)
	}
	s.device("a", sluice.DeviceSuspect)
	talks.ping()
	s.device("b", sluice.DeviceUp)
}

func TestWill_WithoutARoute_IsPassedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hears := s.connect(hello{id: "hears"})
	hears.subscribe("status/#", 1)
	c := s.connect(hello{id: "a", will: &testWill{topic: "status/a", payload: []byte("gone"), qos: 1}})
	c.Close()
	hears.receives("status/a", "gone")
	s.clientIs("a", func(c sluice.Client) error {
		if c.Expires == 0 {
			return errors.New("still connected")
		}
		return nil
	})
}

func TestWill_NotDecoded_IsADeadLetter(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.connect(hello{id: "a", will: &testWill{topic: "lwt/a", payload: []byte("rubbish")}})
	c.Close()
	s.eventually(func() error {
		q, err := s.store.Status(t.Context(), sluice.QueueDead)
		if err == nil && q.Open+q.Sealed != 1 {
			return errors.New("no dead letter")
		}
		return err
	})
}

func TestWill_Delayed_IsWithdrawnByANewConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	delayed := &testWill{topic: "data/a", payload: []byte("will"), properties: willDelay(1)}
	h := hello{id: "a", will: delayed, properties: expires(3600)}
	s.connect(h).Close()
	s.counts("lost", func(st Stats) bool { return st.Lost == 1 })
	c := s.connect(h)
	c.acks(wire.Success, c.publish("data/a", "1"))
	s.counts("waited", func(st Stats) bool { return st.Connections == 1 }) // and not stored: see below
	c.acks(wire.Success, c.publish("data/a", "2"))
	c.Close()
	s.stores("1", "2", "will") // of the second connection
}

// The end of the door is no last will: the devices have the grace.
func TestWill_DoorCloses_IsLeftToTheRegistry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.guarded("a", hello{properties: expires(3600)})
	s.stop()
	if got := c.ends(); got != wire.ServerShuttingDown {
		t.Errorf("DISCONNECT %v, want 0x8B", got)
	}
	s.clientIs("a", func(c sluice.Client) error {
		if c.Will == nil {
			return errors.New("its will is done")
		}
		return nil
	})
	s.device("a", sluice.DeviceUp)
}
