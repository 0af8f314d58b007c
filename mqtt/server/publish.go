package server

import (
	"bytes"
	"sync"

	"sluice"
	"sluice/mqtt/server/access"
	"sluice/mqtt/server/wire"
)

// arrival is a PUBLISH on its way to the inbox. Its slices are parts of what was
// read.
type arrival struct {
	topic, payload []byte
	id             uint16
	qos            byte
	reason         wire.Reason // of the PUBACK, where toEngine is false
	toEngine       bool
	dup            bool
	known          bool
	will           bool
}

// batch is what one read brought.
type batch struct {
	received   int64
	message    wire.Publish // the one being looked at
	arrivals   []arrival
	qos0, qos1 int
}

// maxBatch is how many arrivals a batch keeps room for.
const maxBatch = 1024

var batches = sync.Pool{New: func() any { return &batch{} }}

func (b *batch) free() {
	if cap(b.arrivals) > maxBatch {
		b.arrivals = nil
	}
	clear(b.arrivals)
	*b = batch{arrivals: b.arrivals[:0]}
	batches.Put(b)
}

// flush moves the batch to the inbox.
func (c *connection) flush(b *batch) error {
	if len(b.arrivals) == 0 {
		return nil
	}
	ok := c.session.inbox.push(c, b.arrivals, b.received)
	b.arrivals = b.arrivals[:0]
	n := c.session.stats
	n.qos0.Add(uint64(b.qos0))
	n.qos1.Add(uint64(b.qos1))
	b.qos0, b.qos1 = 0, 0
	if !ok {
		return errStopped
	}
	return nil
}

// verdict is what becomes of the messages of a topic.
type verdict struct {
	topic  string
	rights *access.Rights // by which it was judged
	denied bool
	routed bool
}

// judge looks the topic up. A device publishes on one topic or two.
func (c *connection) judge(topic []byte) *verdict {
	rights := c.rights.Load()
	for i := range c.verdicts {
		if v := &c.verdicts[i]; v.rights == rights && v.topic == string(topic) {
			return v
		}
	}
	v := &c.verdicts[0]
	c.verdicts[1] = *v
	*v = verdict{topic: string(topic), rights: rights, denied: !mayPublish(rights, topic)}
	v.routed = !v.denied && c.session.config.Routed(v.topic)
	return v
}

// mayPublish: topics that begin with $ are the server's [MQTT-4.7.2-1].
func mayPublish(rights *access.Rights, topic []byte) bool {
	return !bytes.HasPrefix(topic, []byte("$")) && rights.Write(topic)
}

// publish takes a PUBLISH. RETAIN of a 3.1.1 client, which cannot be told that it is
// not available, is not looked at.
func (c *connection) publish(p wire.Packet, b *batch) error {
	m := &b.message
	if err := wire.ParsePublish(c.version, p, m); err != nil {
		return err
	}
	if err := c.allowed(m); err != nil {
		return err
	}
	a := arrival{topic: m.Topic, payload: m.Payload, id: m.PacketID, qos: m.QoS, dup: m.Dup}
	if m.QoS == 0 {
		b.qos0++
	} else {
		b.qos1++
		c.inflight.Add(1)
		a.known = c.known(m)
	}
	switch v := c.judge(m.Topic); {
	case v.denied:
		c.session.stats.denied.Add(1)
		a.reason = wire.NotAuthorized // which AppendPuback tells no 3.1.1 client
	case v.routed:
		a.toEngine = true
	default:
		if err := c.flush(b); err != nil {
			return err
		}
		a.reason = c.pass(m)
	}
	if a.toEngine || a.qos > 0 {
		b.arrivals = append(b.arrivals, a)
	}
	return nil
}

// allowed checks what CONNACK has told the client.
func (c *connection) allowed(m *wire.Publish) error {
	switch {
	case m.Alias != 0:
		return &wire.Error{Reason: wire.TopicAliasInvalid, Text: "PUBLISH with a topic alias, the maximum is 0", Statement: "MQTT-3.3.2-9"}
	case c.version != wire.V5:
		return nil
	case m.Retain:
		return &wire.Error{Reason: wire.RetainNotSupported, Text: "PUBLISH with RETAIN, which is not available", Statement: "MQTT-3.2.2-14"}
	case m.QoS > 0 && int(c.inflight.Load()) >= c.session.config.ReceiveMaximum:
		return &wire.Error{Reason: wire.ReceiveMaximumExceeded, Text: "more QoS 1 messages in flight than the receive maximum", Statement: "MQTT-3.3.4-7"}
	}
	return nil
}

// recordFor is how many new QoS 1 messages end the use of the redelivery record: who
// sends that many has sent again long ago what was not acknowledged [MQTT-4.6.0-1].
const recordFor = 1000

// known tells whether a message was appended on an earlier connection.
func (c *connection) known(m *wire.Publish) bool {
	if len(c.delivered) == 0 {
		return false
	}
	if !m.Dup {
		if c.fresh++; c.fresh == recordFor {
			c.delivered = nil
		}
		return false
	}
	hash := sluice.DeliveryHash(m.Topic, m.Payload)
	for _, d := range c.delivered {
		if d.PacketID == m.PacketID && d.Hash == hash {
			return true
		}
	}
	return false
}
