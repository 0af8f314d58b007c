package wire

// Publish is a PUBLISH packet [MQTT 3.3].
type Publish struct {
	Topic    []byte // a valid topic name; read: may be empty beside an Alias
	Payload  []byte
	PacketID uint16 // not 0 for QoS 1, 0 for QoS 0
	QoS      byte   // 0 or 1
	Dup      bool
	Retain   bool
	// Alias is the topic alias, 0 for none. The server must compare it with the
	// maximum that it announced: TopicAliasInvalid [MQTT-3.3.2-9]. AppendPublish
	// writes none.
	Alias uint16
	// HasExpiry and Expiry: the message expiry interval in s. Who forwards a
	// message lowers it by the time that the message has waited [MQTT-3.3.2-6].
	HasExpiry bool
	Expiry    uint32
	// Properties are the properties as received, encoded, without their length
	// and checked; nil for 3.1.1. AppendPublish forwards them unaltered and in
	// order, except for alias and expiry, which are this connection's own.
	Properties []byte
	// SubscriptionIDs, written only, are the identifiers of the subscriptions
	// that matched, 1 to 268435455 each [MQTT-3.3.4-3].
	SubscriptionIDs []uint32
}

// Flags of a PUBLISH [MQTT 3.3.1].
const (
	flagRetain = 0x01
	maskQoS    = 0x06
	flagDup    = 0x08
)

// ParsePublish reads a PUBLISH into m, overwriting all of it. The slices of m
// are parts of p.Body. QoS 2 is refused with QoSNotSupported. It does not
// allocate on success.
func ParsePublish(v Version, p Packet, m *Publish) error {
	*m = Publish{QoS: p.Flags & maskQoS >> 1, Dup: p.Flags&flagDup != 0, Retain: p.Flags&flagRetain != 0}
	r := newReader(v, p, PUBLISH)
	r.fail(m.checkFlags())
	m.Topic = r.binary("topic")
	if m.QoS > 0 {
		m.PacketID = r.packetID("MQTT-2.2.1-3")
	}
	if v == V5 {
		m.readProperties(&r)
	}
	if r.err == nil && (len(m.Topic) > 0 || m.Alias == 0) {
		r.fail(CheckTopic(m.Topic))
	}
	m.Payload = r.b
	return r.err
}

func (m *Publish) checkFlags() error {
	switch {
	case m.QoS == 3:
		return malformed("MQTT-3.3.1-4", "PUBLISH with QoS 3")
	case m.QoS == 2:
		return refuse(QoSNotSupported, "MQTT-3.2.2-11", "PUBLISH with QoS 2, at most 1 is supported")
	case m.QoS == 0 && m.Dup:
		return malformed("MQTT-3.3.1-2", "PUBLISH with QoS 0 and DUP")
	}
	return nil
}

func (m *Publish) readProperties(r *reader) {
	if len(r.b) > 0 && r.b[0] == 0 { // none: the usual case
		r.b = r.b[1:]
		return
	}
	ps := r.properties(PUBLISH)
	m.Properties = ps.b
	for p, ok := ps.next(); ok; p, ok = ps.next() {
		m.set(&ps, p)
	}
	r.fail(ps.err)
}

func (m *Publish) set(ps *properties, p property) {
	switch p.id {
	case propExpiry:
		m.HasExpiry, m.Expiry = true, p.number
	case propTopicAlias:
		m.Alias = uint16(p.number)
		if m.Alias == 0 {
			ps.fail(refuse(TopicAliasInvalid, "MQTT-3.3.2-8", "PUBLISH with topic alias 0"))
		}
	case propSubscriptionID:
		ps.fail(violation("MQTT-3.3.4-6", "PUBLISH from a client with a subscription identifier"))
	default:
		ps.checkForwarded(p)
	}
}

// checkForwarded checks what the shape of a property that goes on to subscribers
// does not say: a response topic is a topic name.
func (ps *properties) checkForwarded(p property) {
	if p.id == propResponseTopic {
		ps.fail(checkTopic(p.value, "response topic", "MQTT-3.3.2-13", "MQTT-3.3.2-14"))
	}
}

// AppendPublish appends a PUBLISH with m.Topic of 1 to 65535 bytes. A packet
// larger than the client's Maximum Packet Size must not be sent: compare what was
// appended [MQTT-3.1.2-24]. A 3.1.1 client gets no properties.
func AppendPublish(dst []byte, v Version, m *Publish) []byte {
	size := 2 + len(m.Topic) + len(m.Payload)
	if m.QoS > 0 {
		size += 2
	}
	props := 0
	if v == V5 {
		props = m.propertiesSize()
		size += varintWidth(props) + props
	}
	dst = appendVarint(append(dst, byte(PUBLISH)<<4|m.flags()), size)
	dst = appendString(dst, m.Topic)
	if m.QoS > 0 {
		dst = appendUint16(dst, m.PacketID)
	}
	if v == V5 {
		dst = m.appendProperties(appendVarint(dst, props))
	}
	return append(dst, m.Payload...)
}

func (m *Publish) flags() byte {
	flags := m.QoS << 1
	if m.Retain {
		flags |= flagRetain
	}
	if m.Dup && m.QoS > 0 { // [MQTT-3.3.1-2]
		flags |= flagDup
	}
	return flags
}

func (m *Publish) propertiesSize() int {
	size := 0
	m.forward(func(raw []byte) { size += len(raw) })
	if m.HasExpiry {
		size += 5
	}
	for _, id := range m.SubscriptionIDs {
		size += 1 + varintWidth(int(id))
	}
	return size
}

func (m *Publish) appendProperties(dst []byte) []byte {
	m.forward(func(raw []byte) { dst = append(dst, raw...) })
	if m.HasExpiry {
		dst = appendUint32(append(dst, propExpiry), m.Expiry)
	}
	for _, id := range m.SubscriptionIDs {
		dst = appendVarint(append(dst, propSubscriptionID), int(id))
	}
	return dst
}

// forward calls keep with each property that goes on to the subscribers, in
// order.
func (m *Publish) forward(keep func(raw []byte)) {
	ps := properties{reader: reader{b: m.Properties, kind: PUBLISH}, in: PUBLISH}
	for p, ok := ps.next(); ok; p, ok = ps.next() {
		if p.id != propTopicAlias && p.id != propExpiry && p.id != propSubscriptionID {
			keep(p.raw)
		}
	}
}
