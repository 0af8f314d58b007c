package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// handshake connects, subscribes and unsubscribes. It runs before the session's goroutines.
// Messages that come before the last SUBACK are kept.
func (s *session) handshake(obsolete []string) error {
	var b bytes.Buffer
	if _, err := connectPacket(s.config).WriteTo(&b); err != nil {
		return err
	}
	if err := s.write(b.Bytes()); err != nil {
		return err
	}
	var ack *packets.Connack
	for ack == nil {
		_, _, err := s.receive(func(p packet) (err error) {
			if ack != nil {
				return s.control(p)
			}
			ack, err = accepted(p)
			s.accepted = err == nil
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := s.adopt(ack); err != nil {
		return err
	}
	if err := s.subscribe(ack.Properties.MaximumPacketSize); err != nil {
		return err
	}
	return s.unsubscribe(obsolete)
}

// connectPacket builds CONNECT. It carries no Maximum Packet Size, because a
// broker discards in silence what is larger, and no Topic Alias Maximum, which
// means that no alias may be used.
func connectPacket(c Config) *packets.Connect {
	expiry := uint32(c.SessionExpiry / time.Second)
	receive := uint16(c.ReceiveMaximum)
	p := &packets.Connect{
		ProtocolName:    "MQTT",
		ProtocolVersion: 5,
		ClientID:        c.ClientID,
		KeepAlive:       uint16(c.KeepAlive / time.Second),
		Properties:      &packets.Properties{SessionExpiryInterval: &expiry, ReceiveMaximum: &receive},
	}
	if c.User != "" {
		p.UsernameFlag, p.Username = true, c.User
	}
	if c.Password != "" {
		p.PasswordFlag, p.Password = true, []byte(c.Password)
	}
	return p
}

// accepted reads CONNACK; a refusal is a *ReasonError.
func accepted(p packet) (*packets.Connack, error) {
	switch p.header >> 4 {
	case packets.CONNACK:
	case packets.DISCONNECT:
		return nil, disconnected(p)
	default:
		return nil, violation(fmt.Sprintf("packet of type %d before CONNACK [MQTT-3.2.0-1]", p.header>>4))
	}
	if len(p.body) == 2 && p.body[1] != 0 { // of MQTT 3.1.1, which has no properties
		return nil, &ReasonError{Packet: "CONNACK", Code: 0x84}
	}
	ack, err := decode[*packets.Connack](p)
	if err != nil {
		return nil, err
	}
	if ack.ReasonCode != codeSuccess {
		return nil, &ReasonError{Packet: "CONNACK", Code: ack.ReasonCode, Reason: ack.Properties.ReasonString}
	}
	return ack, nil
}

// adopt takes over what the broker demands in CONNACK [MQTT 3.2.2.3].
func (s *session) adopt(ack *packets.Connack) error {
	s.resumed = ack.SessionPresent
	p := ack.Properties
	if p.MaximumQOS != nil && *p.MaximumQOS == 0 {
		return errors.New("the broker offers QoS 0 only, so it cannot wait for messages to be stored")
	}
	if k := p.ServerKeepAlive; k != nil && *k > 0 {
		s.keepalive = min(s.keepalive, time.Duration(*k)*time.Second)
	}
	if e := p.SessionExpiryInterval; e != nil && time.Duration(*e)*time.Second < s.config.SessionExpiry {
		s.config.Logger.Warn("broker shortens the session expiry; messages may be lost while the router is away longer",
			"granted", time.Duration(*e)*time.Second, "wanted", s.config.SessionExpiry)
	}
	if a := p.SubIDAvailable; a != nil && *a == 0 {
		s.config.Logger.Warn("broker has no subscription identifiers; overlapping filters may bring a message twice")
		s.ids = nil
	}
	return nil
}

// subscribe sends a SUBSCRIBE for each filter, as an identifier belongs to a
// packet, all in one write, and waits until each is granted the QoS wanted. limit is the
// broker's maximum packet size, nil for none.
func (s *session) subscribe(limit *uint32) error {
	var all bytes.Buffer
	for i := range s.subs {
		before := all.Len()
		if _, err := s.subscribePacket(i).WriteTo(&all); err != nil {
			return err
		}
		if limit != nil && all.Len()-before > int(*limit) {
			return fmt.Errorf("filter %q: SUBSCRIBE is larger than the broker's maximum packet size %d", s.subs[i].filter, *limit)
		}
	}
	if err := s.write(all.Bytes()); err != nil {
		return err
	}
	granted := make([]bool, len(s.subs))
	for waiting := len(granted); waiting > 0; {
		_, _, err := s.receive(func(p packet) error {
			if p.header>>4 != packets.SUBACK {
				return s.control(p)
			}
			waiting--
			return s.granted(p, granted)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unsubscribe ends subscriptions that the broker's session has from an earlier
// configuration. It comes after subscribe: the other way round a message
// published in between would reach nobody.
func (s *session) unsubscribe(obsolete []string) error {
	if len(obsolete) == 0 {
		return nil
	}
	var b bytes.Buffer
	p := &packets.Unsubscribe{PacketID: uint16(len(s.subs) + 1), Topics: obsolete, Properties: &packets.Properties{}}
	if _, err := p.WriteTo(&b); err != nil {
		return err
	}
	if err := s.write(b.Bytes()); err != nil {
		return err
	}
	for ended := false; !ended; {
		_, _, err := s.receive(func(p packet) error {
			if p.header>>4 != packets.UNSUBACK {
				return s.control(p)
			}
			ended = true
			return unsubscribed(p, obsolete)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unsubscribed checks the UNSUBACK. That there was no such subscription (0x11)
// is as good.
func unsubscribed(p packet, obsolete []string) error {
	ack, err := decode[*packets.Unsuback](p)
	if err != nil {
		return err
	}
	if len(ack.Reasons) != len(obsolete) {
		return violation("UNSUBACK that does not answer every filter [MQTT-3.11.3-1]")
	}
	for i, code := range ack.Reasons {
		if code >= 0x80 {
			return fmt.Errorf("unsubscribe from %q: %w", obsolete[i],
				&ReasonError{Packet: "UNSUBACK", Code: code, Reason: ack.Properties.ReasonString})
		}
	}
	return nil
}

// subscribePacket builds the SUBSCRIBE of subscription i; its packet identifier
// is i+1. Retained messages of devices are not wanted: they are old.
func (s *session) subscribePacket(i int) *packets.Subscribe {
	want := s.subs[i]
	options := packets.SubOptions{Topic: want.filter, QoS: want.qos, RetainHandling: packets.RetainDoNotSend}
	if want.retained {
		options.RetainHandling = packets.RetainSendOnSubscribe
	}
	p := &packets.Subscribe{
		PacketID: uint16(i + 1), Properties: &packets.Properties{}, Subscriptions: []packets.SubOptions{options},
	}
	if s.ids != nil && want.id > 0 {
		id := int(want.id)
		p.Properties.SubscriptionIdentifier = &id
	}
	return p
}

// granted checks a SUBACK and marks its subscription.
func (s *session) granted(p packet, granted []bool) error {
	ack, err := decode[*packets.Suback](p)
	if err != nil {
		return err
	}
	i := int(ack.PacketID) - 1
	if i < 0 || i >= len(granted) || granted[i] || len(ack.Reasons) != 1 {
		return violation("SUBACK that answers no SUBSCRIBE [MQTT-3.8.4-2]")
	}
	granted[i] = true
	want, code := s.subs[i], ack.Reasons[0]
	switch {
	case code == want.qos:
		return nil
	case code >= 0x80 && want.optional:
		s.config.Logger.Warn("the broker does not let us read a topic that would be of use", "topic", want.filter, "user", s.config.User)
		return nil
	case code == 0:
		return fmt.Errorf("filter %q: the broker grants QoS 0 only", want.filter)
	case code < 0x80:
		return violation(fmt.Sprintf("SUBACK with code %d for a subscription at QoS %d", code, want.qos))
	default:
		return fmt.Errorf("filter %q: %w%s", want.filter,
			&ReasonError{Packet: "SUBACK", Code: code, Reason: ack.Properties.ReasonString}, s.subscribeAdvice(code))
	}
}

func (s *session) subscribeAdvice(code byte) string {
	if code == codeNotAuthorized {
		return fmt.Sprintf("; let user %q read it in the broker's access list", s.config.User)
	}
	return ""
}

// decode reads a whole packet with the library's codec.
func decode[T packets.Packet](p packet) (T, error) {
	var none T
	cp, err := packets.ReadPacket(bytes.NewReader(p.raw))
	if err != nil {
		return none, malformed(fmt.Sprintf("packet of type %d: %v", p.header>>4, err))
	}
	content, ok := cp.Content.(T)
	if !ok || p.header&0x0F != 0 {
		return none, malformed(fmt.Sprintf("packet of type %d with flags [MQTT-2.1.3-1]", p.header>>4))
	}
	return content, nil
}
