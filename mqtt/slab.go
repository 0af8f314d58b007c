package mqtt

import "sluice"

// Limits of what a slab keeps.
const (
	// maxQoS0Bytes of QoS 0 messages wait for Receive; what comes then is
	// dropped. QoS 1 is limited by the receive maximum.
	maxQoS0Bytes = 8 << 20
	// qos0Overhead is what a message costs beside its bytes.
	qos0Overhead = 128
	// maxIdleBytes of memory are kept for reuse when a slab is emptied.
	maxIdleBytes = 4 << 20
)

// slab holds the messages between two calls of Receive. Its memory is reused:
// two slabs take turns, and in the steady state no message allocates.
type slab struct {
	deliveries []sluice.Delivery
	data       []byte   // topics and payloads
	subs       []uint32 // subscription identifiers
	qos0       int      // bytes of QoS 0 messages, overhead included
}

// add copies a message. Its subscription identifiers are the last n of s.subs.
func (s *slab) add(p publish, n int, received int64) {
	s.reserve(len(p.topic) + len(p.payload))
	s.deliveries = append(s.deliveries, sluice.Delivery{
		Topic:         s.copy(p.topic),
		Payload:       s.copy(p.payload),
		Received:      received,
		Subscriptions: s.subs[len(s.subs)-n : len(s.subs) : len(s.subs)],
		PacketID:      p.id,
		QoS:           p.qos,
		Dup:           p.dup,
		Retain:        p.retain,
	})
}

// reserve makes room for n bytes. A new block begins where the old one does not
// suffice; earlier messages keep pointing into theirs.
func (s *slab) reserve(n int) {
	if cap(s.data)-len(s.data) < n {
		s.data = make([]byte, 0, max(2*cap(s.data), n, 64<<10))
	}
}

func (s *slab) copy(b []byte) []byte {
	at := len(s.data)
	s.data = append(s.data, b...)
	return s.data[at:len(s.data):len(s.data)]
}

// fits tells whether a QoS 0 message may still be kept, and counts it.
func (s *slab) fits(p publish) bool {
	size := len(p.topic) + len(p.payload) + qos0Overhead
	if s.qos0+size > maxQoS0Bytes {
		return false
	}
	s.qos0 += size
	return true
}

// reset empties the slab. Memory beyond maxIdleBytes goes back.
func (s *slab) reset() {
	if cap(s.data) > maxIdleBytes {
		s.data = nil
	}
	s.deliveries, s.data, s.subs, s.qos0 = s.deliveries[:0], s.data[:0], s.subs[:0], 0
}
