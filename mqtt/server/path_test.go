package server

import (
	"errors"
	"testing"

	"sluice/mqtt/server/wire"
	"sluice/sluicetest"
)

var errDown = errors.New("store down")

func bothVersions(t *testing.T, test func(t *testing.T, v wire.Version)) {
	for name, v := range map[string]wire.Version{"3.1.1": wire.V311, "5": wire.V5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, v)
		})
	}
}

func TestPublish_IsStoredAndAcknowledged(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t)
		c := s.connect(hello{version: v, id: "a", clean: true})
		first := c.publish("data/a", "1", "2", "3")
		c.acks(wire.Success, ids(first, 3)...)
		c.publish0("data/a", "4")
		s.stores("1", "2", "3", "4")
	})
}

func TestPublish_WhileAppendFails_NothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.queue.Fail("Append", sluicetest.Refuse, errDown, -1)
	c := s.connect(hello{id: "a", clean: true})
	first := c.publish("data/a", "1", "2")
	s.eventually(func() error {
		if s.queue.Calls("Append") < 3 {
			return errors.New("not tried again yet")
		}
		return nil
	})
	c.ping() // nothing came before the answer
	s.queue.Fail("Append", sluicetest.Pass, nil, 0)
	c.acks(wire.Success, ids(first, 2)...)
	s.stores("1", "2")
}
