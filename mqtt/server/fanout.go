package server

import (
	"context"
	"time"

	"sluice"
	"sluice/mqtt/server/wire"
)

// fanout delivers a message to those who are subscribed here. from is the connection
// that sent it, nil for none.
func (s *session) fanout(m *wire.Publish, from *connection) {
	topic := string(m.Topic)
	parcels := parcels{message: m, made: time.Now()}
	for _, to := range s.topics.match(topic, from) {
		if to.conn.rights.Load().Read(topic) {
			to.conn.deliver(parcels.of(to.conn.version, min(to.qos, m.QoS)))
		}
	}
}

// parcels encodes a message once for each kind of subscriber.
type parcels struct {
	message *wire.Publish
	made    time.Time
	list    []kind
}

type kind struct {
	version wire.Version
	qos     byte
	parcel  parcel
}

func (p *parcels) of(v wire.Version, qos byte) parcel {
	for i := range p.list {
		if k := &p.list[i]; k.version == v && k.qos == qos {
			return k.parcel
		}
	}
	one := p.encode(v, qos)
	p.list = append(p.list, kind{v, qos, one})
	return one
}

// encode lays the packet out. The expiry is the last of its properties, before the
// payload.
func (p *parcels) encode(v wire.Version, qos byte) parcel {
	m := *p.message
	m.QoS, m.PacketID, m.Dup, m.Retain, m.Alias = qos, 0, false, false, 0
	one := parcel{packet: wire.AppendPublish(nil, v, &m), qos: qos, made: p.made}
	_, _, width := header(one.packet)
	one.id = width + 2 + len(m.Topic)
	if v == wire.V5 && m.HasExpiry {
		one.expiry = len(one.packet) - len(m.Payload) - 4
	}
	return one
}

// header returns the length of the fixed header of a packet.
func header(packet []byte) (first byte, size, width int) {
	width = 1
	for packet[width]&0x80 != 0 {
		width++
	}
	return packet[0], len(packet), width + 1
}

// pass passes a message without a route on: to those who are subscribed here, then to
// the other replicas, which get topic, payload and QoS. It returns the reason for
// PUBACK. The reader waits meanwhile, so that a client has one on its way at a time.
func (c *connection) pass(m *wire.Publish) wire.Reason {
	c.held.Store(true)
	defer c.release()
	if err := c.session.pass(m, c); err != nil {
		return wire.ImplementationSpecific
	}
	return wire.Success
}

func (s *session) pass(m *wire.Publish, from *connection) error {
	s.stats.passed.Add(1)
	s.fanout(m, from)
	err := s.call(func(ctx context.Context) error {
		return s.config.Registry.Broadcast(ctx, sluice.Broadcast{
			From: s.lease.Session, Topic: string(m.Topic), Payload: m.Payload, QoS: m.QoS,
		})
	})
	if err != nil {
		s.stats.unsent.Add(1)
	}
	return err
}

// heardRoom is how many messages of other replicas may wait to be delivered; more are
// dropped.
const heardRoom = 256

// listen hears the other replicas until the session is over.
func (s *session) listen() {
	for told := false; !s.ended(); {
		err := s.config.Registry.Listen(s.ctx, s.hear)
		if s.ended() {
			return
		}
		if !told {
			s.log.Warn("other replicas of the front door are not heard, trying on", "err", err)
		}
		told = true
		s.wait(time.Second)
	}
}

// hear takes what a replica tells.
func (s *session) hear(b sluice.Broadcast) {
	if b.Client != "" {
		s.supersede(b.Client, b.Connection)
		return
	}
	if b.From == s.lease.Session {
		return
	}
	select {
	case s.heard <- b:
	default:
		s.stats.dropped.Add(1)
	}
}

// relay delivers what was heard until the session is over.
func (s *session) relay() {
	for {
		select {
		case b := <-s.heard:
			s.fanout(&wire.Publish{Topic: []byte(b.Topic), Payload: b.Payload, QoS: b.QoS}, nil)
		case <-s.done:
			return
		}
	}
}
