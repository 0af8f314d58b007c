package server

import (
	"sluice"
	"sluice/mqtt/server/wire"
)

// slab is what was received between two calls of Receive. Two take turns; in the
// steady state no message allocates.
type slab struct {
	deliveries []sluice.Delivery
	receipts   []receipt // in order of receipt
	data       []byte    // topics and payloads
	size       int       // bytes of memory that the messages take
}

// receipt is a PUBACK to be written.
type receipt struct {
	conn *connection
	// at is the index of the delivery that must be durable first: the message's own, or
	// for one that goes nowhere the last one before it; -1 for none.
	at     int32
	id     uint16
	reason wire.Reason
	own    bool // at is the message's own
}

const (
	// overhead is what a message takes beside its bytes.
	overhead = 160
	// maxIdle bytes of data are kept for reuse when a slab is emptied.
	maxIdle = 4 << 20
)

// add takes in a message for the engine.
func (s *slab) add(c *connection, a *arrival, received int64) {
	s.reserve(len(a.topic) + len(a.payload))
	if a.qos > 0 && !a.will {
		s.receipts = append(s.receipts, receipt{conn: c, at: int32(len(s.deliveries)), id: a.id, own: true})
	}
	s.deliveries = append(s.deliveries, sluice.Delivery{
		Topic: s.copy(a.topic), Payload: s.copy(a.payload), Received: received,
		PacketID: a.id, QoS: a.qos, Dup: a.dup, Known: a.known, Will: a.will,
		Client: c.client, Connection: c.number,
	})
	s.size += len(a.topic) + len(a.payload) + overhead
}

// mark takes in a marker.
func (s *slab) mark(topic string, payload []byte, received int64) {
	s.reserve(len(topic) + len(payload))
	s.deliveries = append(s.deliveries, sluice.Delivery{Topic: s.copy([]byte(topic)), Payload: s.copy(payload), Received: received})
}

// answer takes in the PUBACK of a message that is not for the engine.
func (s *slab) answer(c *connection, a *arrival) {
	s.receipts = append(s.receipts, receipt{conn: c, at: int32(len(s.deliveries)) - 1, id: a.id, reason: a.reason})
	s.size += overhead / 8
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

// reset empties the slab, and lets go of the connections.
func (s *slab) reset() {
	if cap(s.data) > maxIdle {
		s.data = nil
	}
	clear(s.deliveries)
	clear(s.receipts)
	s.deliveries, s.receipts, s.data, s.size = s.deliveries[:0], s.receipts[:0], s.data[:0], 0
}
