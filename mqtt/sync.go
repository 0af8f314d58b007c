package mqtt

import (
	"bytes"
	"encoding/binary"

	"github.com/eclipse/paho.golang/packets"

	"sluice"
)

// subscription is one filter that a session subscribes to.
type subscription struct {
	filter string
	qos    byte
	// id is the subscription identifier on the wire, 0 for none.
	id uint32
	// retained: the retained message is wanted at once.
	retained bool
	// optional: the broker may refuse it.
	optional bool
}

// subscriptions are those for the filters, each with an identifier, then those
// that presence needs.
func (c Config) subscriptions() []subscription {
	var subs []subscription
	ids := identifiers(c.Filters)
	for i, f := range c.Filters {
		subs = append(subs, subscription{filter: f.Subscription(), qos: 1, id: ids[i]})
	}
	if c.Sync != "" {
		// At QoS 1 the marker waits in line with the messages before it; at QoS 0 the
		// uptime overtakes them, so that its age is known.
		subs = append(subs, subscription{filter: c.Sync, qos: 1},
			subscription{filter: sluice.TopicUptime, retained: true, optional: true})
	}
	return subs
}

// Mark implements sluice.Session.
func (s *session) Mark(payload []byte) error {
	id := uint16(s.marks.Add(1))
	if id == 0 { // not allowed [MQTT-2.2.1-2]; the one before is long acknowledged
		id = uint16(s.marks.Add(1))
	}
	var b bytes.Buffer
	p := &packets.Publish{Topic: s.config.Sync, QoS: 1, PacketID: id, Payload: payload, Properties: &packets.Properties{}}
	if _, err := p.WriteTo(&b); err != nil {
		return err
	}
	return s.write(b.Bytes())
}

// marked reads the PUBACK of a marker [MQTT 3.4]. A refusal is told once: no
// outage can be judged without the marker, but messages go on.
func (s *session) marked(p packet) error {
	switch {
	case p.header&0x0F != 0 || len(p.body) < 2:
		return malformed("PUBACK with flags or without a packet id")
	case s.marks.Load() == 0:
		return violation("PUBACK for nothing that was published")
	}
	if len(p.body) == 2 || p.body[2] < 0x80 || s.refused {
		return nil
	}
	s.refused = true
	s.config.Logger.Error("the broker refuses the marker, so no outage can be told; let the user write to the topic in the broker's access list",
		"user", s.config.User, "topic", s.config.Sync, "packet", binary.BigEndian.Uint16(p.body),
		"err", &ReasonError{Packet: "PUBACK", Code: p.body[2]})
	return nil
}
