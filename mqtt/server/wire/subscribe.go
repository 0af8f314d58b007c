package wire

// Subscribe is what a SUBSCRIBE asks for [MQTT 3.8].
type Subscribe struct {
	PacketID       uint16         // not 0
	SubscriptionID uint32         // 1 to 268435455; 0: none
	Filters        []Subscription // 1 to maxFilters
}

// Subscription is one topic filter with its options [MQTT 3.8.3.1].
type Subscription struct {
	Filter            string // a valid filter; shared ones begin with $share/
	QoS               byte   // the highest wanted, 0 to 2
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte // 0 to 2
}

// Unsubscribe is what an UNSUBSCRIBE asks for [MQTT 3.10].
type Unsubscribe struct {
	PacketID uint16   // not 0
	Filters  []string // 1 to maxFilters, each valid
}

// maxFilters is how many topic filters a packet may have: one takes four bytes on the
// wire and fifty times that here, so the packet's size alone is no bound.
const maxFilters = 1024

// Subscription options [MQTT 3.8.3.1].
const (
	maskSubscribeQoS      = 0x03
	flagNoLocal           = 0x04
	flagRetainAsPublished = 0x08
	maskRetainHandling    = 0x30
	maskOptionsReserved   = 0xC0
	mask311Reserved       = 0xFC
)

// ParseSubscribe reads a SUBSCRIBE. It keeps nothing of p.Body.
func ParseSubscribe(v Version, p Packet) (Subscribe, error) {
	var s Subscribe
	r := newReader(v, p, SUBSCRIBE)
	s.PacketID = r.packetID("MQTT-2.2.1-3")
	if v == V5 {
		s.readProperties(&r)
	}
	for len(r.b) > 0 && r.mayHaveMore(len(s.Filters)) {
		s.Filters = append(s.Filters, r.subscription(v))
	}
	if len(s.Filters) == 0 && r.err == nil {
		r.fail(violation("MQTT-3.8.3-2", "SUBSCRIBE without a topic filter"))
	}
	return s, r.end()
}

func (s *Subscribe) readProperties(r *reader) {
	ps := r.properties(SUBSCRIBE)
	for p, ok := ps.next(); ok; p, ok = ps.next() {
		if p.id == propSubscriptionID {
			s.SubscriptionID = ps.nonzero(p, "")
		}
	}
	r.fail(ps.err)
}

func (r *reader) subscription(v Version) Subscription {
	s := Subscription{Filter: r.filter(v, "MQTT-3.8.3-1")}
	options := r.uint8("subscription options")
	s.QoS = options & maskSubscribeQoS
	s.NoLocal = options&flagNoLocal != 0
	s.RetainAsPublished = options&flagRetainAsPublished != 0
	s.RetainHandling = options & maskRetainHandling >> 4
	r.fail(s.check(v, options))
	return s
}

func (s *Subscription) check(v Version, options byte) error {
	_, _, shared := SplitShare(s.Filter)
	switch {
	case v == V5 && options&maskOptionsReserved != 0:
		return malformed("MQTT-3.8.3-5", "reserved bits in the subscription options %08b", options)
	case v != V5 && (options&mask311Reserved != 0 || s.QoS == 3):
		return malformed("MQTT311-3.8.3-4", "a requested QoS of %08b", options)
	case s.QoS == 3:
		return violation("", "a subscription with QoS 3")
	case s.RetainHandling == 3:
		return violation("", "a subscription with retain handling 3")
	case s.NoLocal && shared:
		return violation("MQTT-3.8.3-4", "a shared subscription with no local")
	}
	return nil
}

// mayHaveMore refuses a packet with more than maxFilters filters.
func (r *reader) mayHaveMore(filters int) bool {
	if filters < maxFilters {
		return true
	}
	r.fail(refuse(QuotaExceeded, "", "%v with more than %d topic filters", r.kind, maxFilters))
	return false
}

// filter reads a topic filter. statement says that it is UTF-8.
func (r *reader) filter(v Version, statement string) string {
	filter := string(r.utf8("topic filter", statement))
	if r.err == nil {
		r.fail(CheckFilter(v, filter))
	}
	return filter
}

// ParseUnsubscribe reads an UNSUBSCRIBE. It keeps nothing of p.Body.
func ParseUnsubscribe(v Version, p Packet) (Unsubscribe, error) {
	var u Unsubscribe
	r := newReader(v, p, UNSUBSCRIBE)
	u.PacketID = r.packetID("MQTT-2.2.1-3")
	if v == V5 {
		ps := r.properties(UNSUBSCRIBE)
		r.fail(ps.skip())
	}
	for len(r.b) > 0 && r.mayHaveMore(len(u.Filters)) {
		u.Filters = append(u.Filters, r.filter(v, "MQTT-3.10.3-1"))
	}
	if len(u.Filters) == 0 && r.err == nil {
		r.fail(violation("MQTT-3.10.3-2", "UNSUBSCRIBE without a topic filter"))
	}
	return u, r.end()
}

// AppendSuback appends a SUBACK with one reason for each filter of the
// SUBSCRIBE, in order [MQTT-3.9.3-1]. For 3.1.1 every failure is written as 0x80.
func AppendSuback(dst []byte, v Version, id uint16, reasons ...Reason) []byte {
	codes := make([]byte, len(reasons))
	for i, r := range reasons {
		if v != V5 && r.Failed() {
			r = Unspecified
		}
		codes[i] = byte(r)
	}
	return appendPacket(dst, SUBACK, v, appendUint16(nil, id), nil, codes)
}

// AppendUnsuback appends an UNSUBACK with one reason for each filter of the
// UNSUBSCRIBE, in order [MQTT-3.11.3-1]; a 3.1.1 client is told none.
func AppendUnsuback(dst []byte, v Version, id uint16, reasons ...Reason) []byte {
	var codes []byte
	if v == V5 {
		for _, r := range reasons {
			codes = append(codes, byte(r))
		}
	}
	return appendPacket(dst, UNSUBACK, v, appendUint16(nil, id), nil, codes)
}
