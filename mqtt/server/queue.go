package server

import (
	"encoding/binary"
	"errors"
	"time"

	"sluice/mqtt/server/wire"
)

// queue has the messages for a subscriber: those that wait, in order, and those in
// flight. Guarded by the mutex of its output.
type queue struct {
	waiting  []parcel
	bytes    int                 // of those that wait
	inflight map[uint16]struct{} // packet ids
	most     int                 // of QoS 1 in flight
	last     uint16              // packet id
}

// parcel is a message as one kind of subscriber gets it. Many share its bytes.
type parcel struct {
	packet []byte
	qos    byte
	id     int       // where the packet id is, for QoS 1
	expiry int       // where the message expiry interval is; 0: none
	made   time.Time // for expiry
}

func newQueue(receiveMaximum uint16, most int) *queue {
	return &queue{inflight: map[uint16]struct{}{}, most: min(int(receiveMaximum), most)}
}

// errFull ends the connection of a slow subscriber, where that is wanted.
var errFull = errors.New("the queue for the subscriber is full")

// deliver sends a message now or later. Safe for concurrent use.
func (c *connection) deliver(p parcel) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing || o.queue == nil {
		return
	}
	if c.packetLimit > 0 && len(p.packet) > c.packetLimit { // [MQTT-3.1.2-24]
		c.session.stats.dropped.Add(1)
		return
	}
	o.enqueue(p)
	if !o.writing {
		o.refill()
		o.flush()
	}
}

// enqueue puts a message behind the others, at the cost of the oldest if need be.
func (o *output) enqueue(p parcel) {
	q, config := o.queue, o.conn.session.config
	q.waiting = append(q.waiting, p)
	q.bytes += len(p.packet)
	for len(q.waiting) > config.MaxQueued || q.bytes > config.MaxQueuedBytes {
		o.conn.session.stats.dropped.Add(1)
		if config.OnFull == Disconnect {
			o.stop(&cause{endLost, wire.QuotaExceeded, errFull})
			return
		}
		q.shift()
	}
}

func (q *queue) shift() parcel {
	p := q.waiting[0]
	q.waiting[0] = parcel{}
	q.waiting = q.waiting[1:]
	q.bytes -= len(p.packet)
	if len(q.waiting) == 0 {
		q.waiting = nil
	}
	return p
}

// refill moves messages that wait to the buffer, as many as may be in flight and as
// are written at a time; the caller holds the mutex.
func (o *output) refill() {
	q := o.queue
	for q != nil && len(q.waiting) > 0 && len(o.buf) < smallRead {
		if q.waiting[0].qos > 0 && len(q.inflight) >= q.most {
			return
		}
		o.put(q.shift())
	}
}

// put writes a message with a packet id of its own and what is left of its time.
func (o *output) put(p parcel) {
	at := len(o.buf)
	left, expired := p.left()
	if expired {
		o.conn.session.stats.dropped.Add(1)
		return
	}
	o.buf = append(o.buf, p.packet...)
	if p.qos > 0 {
		binary.BigEndian.PutUint16(o.buf[at+p.id:], o.queue.nextID())
	}
	if p.expiry > 0 {
		binary.BigEndian.PutUint32(o.buf[at+p.expiry:], left)
	}
	o.conn.session.stats.delivered.Add(1)
}

// left is the message expiry interval less the time that the message has waited
// [MQTT-3.3.2-6].
func (p *parcel) left() (seconds uint32, expired bool) {
	if p.expiry == 0 {
		return 0, false
	}
	waited := uint32(time.Since(p.made) / time.Second)
	seconds = binary.BigEndian.Uint32(p.packet[p.expiry:])
	return seconds - waited, waited > 0 && waited >= seconds
}

// nextID returns a packet id that is not in flight and notes it. There is one: far
// fewer may be in flight.
func (q *queue) nextID() uint16 {
	for {
		q.last++
		if _, used := q.inflight[q.last]; q.last != 0 && !used {
			q.inflight[q.last] = struct{}{}
			return q.last
		}
	}
}

// acked takes a client's PUBACK. One for nothing in flight is not looked at: it may
// answer what an earlier connection sent.
func (c *connection) acked(p wire.Packet) error {
	ack, err := wire.ParsePuback(c.version, p)
	if err != nil {
		return err
	}
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queue == nil {
		return nil
	}
	delete(o.queue.inflight, ack.PacketID)
	if !o.writing {
		o.refill()
		o.flush()
	}
	return nil
}
