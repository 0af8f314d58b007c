package sluice

// sightings remembers of each device when it was last stored as seen, so that
// not every message of it must be: the store's time may be SeenEvery old, or a
// quarter of the route's silent_after. One lives as long as its session: what a
// new session does not remember it stores anew, and a will makes it forget.
// One goroutine owns it.
type sightings struct {
	devices map[string]*sighting // emptied when it grows past most
	most    int
}

// sighting is one device's.
type sighting struct {
	device string
	at     int64 // presence time stored last, 0 for none
	silent int64 // of the route then
}

// sightingOf returns the sighting of a device; name is copied.
func sightingOf[T string | []byte](s *sightings, name T) *sighting {
	if one := s.devices[string(name)]; one != nil {
		return one
	}
	if len(s.devices) >= s.most {
		clear(s.devices)
	}
	one := &sighting{device: string(name)}
	s.devices[one.device] = one
	return one
}

// due tells whether a message at a presence time, on a route with that
// silent_after, must be stored as a sighting, and remembers that it was.
func (s *sighting) due(at, silent int64) bool {
	fresh := SeenEvery.Microseconds()
	if silent > 0 {
		fresh = min(fresh, silent/4)
	}
	if s.silent > 0 {
		fresh = min(fresh, s.silent/4)
	}
	if s.at != 0 && at-s.at < fresh {
		return false
	}
	s.at, s.silent = at, silent
	return true
}
