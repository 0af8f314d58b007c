package device

import "sync"

// parcel is one reading as it goes over the wire.
type parcel struct {
	seq     uint64
	payload []byte // never changed: a resend carries the same bytes
	tries   int    // publications so far
}

// outbox keeps readings until they are acknowledged, oldest first. Safe for
// concurrent use.
type outbox struct {
	// added wakes the one reader; capacity 1, since it looks at everything.
	added chan struct{}
	keep  int

	mu      sync.Mutex // guards the rest
	parcels []*parcel
	next    uint64
}

func newOutbox(keep int) *outbox {
	return &outbox{added: make(chan struct{}, 1), keep: keep}
}

// add appends a reading and tells whether the oldest one had to go for it.
func (o *outbox) add(payload []byte) (dropped bool) {
	o.mu.Lock()
	if len(o.parcels) == o.keep {
		o.parcels, dropped = o.parcels[1:], true
	}
	o.parcels = append(o.parcels, &parcel{seq: o.next, payload: payload})
	o.next++
	o.mu.Unlock()
	select {
	case o.added <- struct{}{}:
	default:
	}
	return dropped
}

// oldest returns the parcel to publish next and how often it was published
// before; nil when there is none.
func (o *outbox) oldest() (p *parcel, before int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.parcels) == 0 {
		return nil, 0
	}
	p = o.parcels[0]
	p.tries++
	return p, p.tries - 1
}

// remove forgets an acknowledged parcel; false when it had been dropped already.
func (o *outbox) remove(p *parcel) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.parcels) == 0 || o.parcels[0].seq != p.seq {
		return false
	}
	o.parcels = o.parcels[1:]
	return true
}

func (o *outbox) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.parcels)
}
