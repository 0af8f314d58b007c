package hostiletest

import (
	"testing"
	"time"
)

// A device with a certificate and a password of its own tries everything that it can
// reach. It hears nothing but the pulse, nothing is stored or told in another's name, and
// what the router has acknowledged is there.
func TestHostile_ValidCredentials_ReadNothing_ForgeNothing_LoseNothing(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		name string
		door bool
	}{{"mosquitto", false}, {"front door", true}} {
		t.Run(at.name, func(t *testing.T) {
			if !full() { // then they are measured, one after the other
				t.Parallel()
			}
			besiege(newSite(t, at.door))
		})
	}
}

func besiege(s *site) {
	s.Helper()
	l, done := s.live(), &tally{}
	before := s.fleet()
	for _, version := range []byte{v311, v5} {
		a := &attacker{l, version, done}
		for _, attempt := range attempts {
			began := time.Now()
			attempt.run(a)
			a.hearsNothing(attempt.name)
			l.undisturbed(attempt.name)
			s.Logf("%v: %s: %v", a, attempt.name, time.Since(began).Round(time.Millisecond))
		}
	}
	a := &attacker{l, v5, done}
	for _, attack := range attacks {
		began := time.Now()
		did := attack.run(a)
		l.undisturbed(attack.name)
		s.Logf("flood of %s: %s; in %v the honest device had %s", attack.name, did, time.Since(began).Round(time.Millisecond), l.since(began))
	}
	c := a.enter()
	a.own(c)
	c.leave()
	l.judge(done, before)
}
