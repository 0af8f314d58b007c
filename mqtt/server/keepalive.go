package server

import (
	"errors"
	"time"

	"sluice/mqtt/server/wire"
)

// tick is the clock of keepalives. It counts the rounds of the sweep, not the time:
// while this process stands still or starves, nobody's keepalive runs out.
const tick = time.Second

// ticksOf is how many ticks without a word a keepalive of that many seconds allows:
// half as many more [MQTT-3.1.2-22], and one for the coarseness.
func ticksOf(seconds uint16) uint32 { return uint32(seconds) + uint32(seconds)/2 + 1 }

// errSilent ends a connection whose keepalive ran out.
var errSilent = errors.New("keepalive timeout")

// sweep looks at all connections once a tick until the session is over.
func (s *session) sweep() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.done:
			return
		}
		s.ticks.Add(1)
		s.look(s.access.Generation())
		s.server.limit.prune(time.Now())
	}
}

// look ends connections that are silent or, by a newer generation of the access
// list, not wanted any more.
func (s *session) look(generation uint64) {
	now := s.ticks.Load()
	for _, c := range s.connections() {
		switch {
		case !c.established.Load():
			continue
		case c.judged != generation && !c.welcomeStill(generation):
			c.stop(endLost, wire.NotAuthorized, errGone)
		case c.held.Load():
			c.heard.Store(now)
		case now-c.heard.Load() > c.keepalive:
			s.stats.silent.Add(1)
			c.stop(endLost, wire.KeepAliveTimeout, errSilent)
		}
	}
}

// errGone ends a connection whose user is no more.
var errGone = errors.New("the user is gone or has another password")

// welcomeStill renews the rights, if the user may stay.
func (c *connection) welcomeStill(generation uint64) bool {
	c.judged = generation
	doors := c.session.access
	if !c.certified && !doors.StillValid(c.user, c.generation) {
		return false
	}
	c.rights.Store(doors.Rights(c.user, c.client))
	return true
}
