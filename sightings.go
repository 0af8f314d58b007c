package sluice

// sightings remembers of each device when it was last stored as seen, so that
// not every message of it must be: the store's time may be SeenEvery old, or a
// quarter of the route's silent_after. One lives as long as its session: what a
// new session does not remember it stores anew, and a will makes it forget.
// One goroutine owns it.
type sightings struct {
	// young has what was looked for since it last was full, old what was before:
	// together at most 2 * most devices, of which those seldom heard of are forgotten.
	young, old map[string]*sighting
	most       int
}

// sighting is one device's.
type sighting struct {
	device string
	at     int64 // presence time stored last, 0 for none
	silent int64 // of the route then
}

func newSightings(most int) sightings { return sightings{young: map[string]*sighting{}, most: most} }

// sightingOf returns the sighting of a device, nil when no device can have that
// name: no store would take a group with it. name is copied.
func sightingOf[T string | []byte](s *sightings, name T) *sighting {
	one := s.young[string(name)]
	if one != nil {
		return one
	}
	if one = s.old[string(name)]; one == nil {
		if !ValidName(name) {
			return nil
		}
		one = &sighting{device: string(name)}
	}
	if len(s.young) >= s.most {
		s.young, s.old = make(map[string]*sighting, s.most), s.young
	}
	s.young[one.device] = one
	return one
}

// due tells whether a message at a presence time, on a route with that
// silent_after, must be stored as a sighting, and remembers that it was. A device
// is held to the route of its last message, so another silent_after is always
// stored.
func (s *sighting) due(at, silent int64) bool {
	fresh := SeenEvery.Microseconds()
	if silent > 0 {
		fresh = min(fresh, silent/4)
	}
	if s.at != 0 && s.silent == silent && at-s.at < fresh {
		return false
	}
	s.at, s.silent = at, silent
	return true
}
