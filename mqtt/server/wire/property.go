package wire

// Property identifiers [MQTT 2.2.2.2].
const (
	propPayloadFormat     = 0x01
	propExpiry            = 0x02
	propContentType       = 0x03
	propResponseTopic     = 0x08
	propCorrelationData   = 0x09
	propSubscriptionID    = 0x0B
	propSessionExpiry     = 0x11
	propAssignedClientID  = 0x12
	propServerKeepAlive   = 0x13
	propAuthMethod        = 0x15
	propAuthData          = 0x16
	propRequestProblem    = 0x17
	propWillDelay         = 0x18
	propRequestResponse   = 0x19
	propReasonString      = 0x1F
	propReceiveMaximum    = 0x21
	propTopicAliasMaximum = 0x22
	propTopicAlias        = 0x23
	propMaximumQoS        = 0x24
	propRetainAvailable   = 0x25
	propUser              = 0x26
	propMaximumPacketSize = 0x27
	propWildcard          = 0x28
	propSubscriptionIDs   = 0x29
	propShared            = 0x2A
)

// shape is how the value of a property is encoded.
type shape byte

const (
	shapeFlag shape = iota + 1 // a byte that is 0 or 1
	shapeTwo
	shapeFour
	shapeVarint
	shapeBinary
	shapeString
	shapePair
)

// inWill stands for the properties of the will, beside the packet types.
const inWill Type = 0

// definition is what Table 2-4 says about a property that a client may send.
type definition struct {
	name  string
	shape shape
	in    uint16 // a bit per packet type that may carry it
	// statement says that a string property is UTF-8; "" for the general rule.
	statement string
}

// in makes the set of packet types.
func in(types ...Type) (set uint16) {
	for _, t := range types {
		set |= 1 << t
	}
	return set
}

// definitions are by identifier. Properties that only a server sends have none,
// and so are refused.
var definitions = [...]definition{
	propPayloadFormat:     {"payload format indicator", shapeFlag, in(PUBLISH, inWill), ""},
	propExpiry:            {"message expiry interval", shapeFour, in(PUBLISH, inWill), ""},
	propContentType:       {"content type", shapeString, in(PUBLISH, inWill), "MQTT-3.3.2-19"},
	propResponseTopic:     {"response topic", shapeString, in(PUBLISH, inWill), "MQTT-3.3.2-13"},
	propCorrelationData:   {"correlation data", shapeBinary, in(PUBLISH, inWill), ""},
	propSubscriptionID:    {"subscription identifier", shapeVarint, in(PUBLISH, SUBSCRIBE), ""},
	propSessionExpiry:     {"session expiry interval", shapeFour, in(CONNECT, DISCONNECT), ""},
	propAuthMethod:        {"authentication method", shapeString, in(CONNECT), ""},
	propAuthData:          {"authentication data", shapeBinary, in(CONNECT), ""},
	propRequestProblem:    {"request problem information", shapeFlag, in(CONNECT), ""},
	propWillDelay:         {"will delay interval", shapeFour, in(inWill), ""},
	propRequestResponse:   {"request response information", shapeFlag, in(CONNECT), ""},
	propReasonString:      {"reason string", shapeString, in(PUBACK, DISCONNECT), ""},
	propReceiveMaximum:    {"receive maximum", shapeTwo, in(CONNECT), ""},
	propTopicAliasMaximum: {"topic alias maximum", shapeTwo, in(CONNECT), ""},
	propTopicAlias:        {"topic alias", shapeTwo, in(PUBLISH), ""},
	propUser:              {"user property", shapePair, in(CONNECT, inWill, PUBLISH, PUBACK, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT), ""},
	propMaximumPacketSize: {"maximum packet size", shapeFour, in(CONNECT), ""},
}

func define(id byte) *definition {
	if int(id) < len(definitions) {
		return &definitions[id]
	}
	return &definitions[0] // no property: allowed nowhere
}

// property is one property of a packet.
type property struct {
	id     byte
	number uint32 // of the shapes that are numbers
	value  []byte // of strings and binary data; of a pair its second half
	raw    []byte // all of it, with the identifier
}

// properties reads the properties of one packet, one by one.
type properties struct {
	reader

	in   Type
	seen uint64 // a bit per property that has been read
}

// properties splits the properties off r. Whoever asks has to read all of them
// and then look at the error.
func (r *reader) properties(in Type) properties {
	n := r.varint("property length")
	if r.err == nil && uint64(n) > uint64(len(r.b)) {
		r.short("properties")
	}
	if r.err != nil {
		return properties{reader: reader{kind: r.kind, err: r.err}}
	}
	ps := properties{reader: reader{b: r.b[:n:n], kind: r.kind}, in: in}
	r.b = r.b[n:]
	return ps
}

// next reads the next property; ok is false at the end or after an error.
func (ps *properties) next() (p property, ok bool) {
	if len(ps.b) == 0 || ps.err != nil {
		return p, false
	}
	whole := ps.b
	p.id = ps.uint8("properties")
	def := define(p.id)
	if err := ps.allow(p.id, def); err != nil {
		ps.fail(err)
		return p, false
	}
	ps.read(&p, def)
	if ps.err != nil {
		return p, false
	}
	p.raw = whole[:len(whole)-len(ps.b)]
	return p, true
}

// allow refuses a property that does not belong here or has come before. Only
// the user property may repeat: a client sends at most one subscription
// identifier.
func (ps *properties) allow(id byte, def *definition) error {
	if def.in&(1<<ps.in) == 0 {
		return malformed("", "%v with property 0x%02X, which does not belong there", ps.kind, id)
	}
	if ps.seen&(1<<id) != 0 && id != propUser {
		return violation("", "%v with its %s twice", ps.kind, def.name)
	}
	ps.seen |= 1 << id
	return nil
}

func (ps *properties) read(p *property, def *definition) {
	switch def.shape {
	case shapeFlag:
		p.number = uint32(ps.uint8(def.name))
	case shapeTwo:
		p.number = uint32(ps.uint16(def.name))
	case shapeFour:
		p.number = ps.uint32(def.name)
	case shapeVarint:
		p.number = ps.varint(def.name)
	case shapeBinary:
		p.value = ps.binary(def.name)
	case shapeString:
		p.value = ps.utf8(def.name, def.statement)
	case shapePair:
		ps.utf8(def.name, "MQTT-1.5.7-1")
		p.value = ps.utf8(def.name, "MQTT-1.5.7-1")
	}
	if def.shape == shapeFlag && p.number > 1 {
		ps.fail(violation("", "%v with a %s of %d", ps.kind, def.name, p.number))
	}
}

// nonzero refuses 0 where the specification calls it a protocol error.
func (ps *properties) nonzero(p property, statement string) uint32 {
	if p.number == 0 {
		ps.fail(violation(statement, "%v with a %s of 0", ps.kind, define(p.id).name))
	}
	return p.number
}

// skip reads properties that the server has no use for.
func (ps *properties) skip() error {
	for {
		if _, ok := ps.next(); !ok {
			return ps.err
		}
	}
}
