package wire

// Puback is a client's PUBACK for a message that the server sent [MQTT 3.4].
type Puback struct {
	PacketID uint16 // not 0
	Reason   Reason // Success for 3.1.1
}

// ParsePuback reads a PUBACK.
func ParsePuback(v Version, p Packet) (Puback, error) {
	r := newReader(v, p, PUBACK)
	ack := Puback{PacketID: r.packetID("MQTT-2.2.1-5")}
	if v == V5 && len(r.b) > 0 { // [MQTT 3.4.2.1]: left out, it is success
		ack.Reason = Reason(r.uint8("reason code"))
		r.fail(checkPuback(ack.Reason))
		r.optionalProperties()
	}
	return ack, r.end()
}

// optionalProperties reads properties that the server has no use for and that
// may be left out with their length.
func (r *reader) optionalProperties() {
	if len(r.b) > 0 {
		ps := r.properties(r.kind)
		r.fail(ps.skip())
	}
}

func checkPuback(r Reason) error {
	switch r {
	case Success, NoMatchingSubscribers, Unspecified, ImplementationSpecific, NotAuthorized,
		TopicNameInvalid, PacketIDInUse, QuotaExceeded, PayloadFormatInvalid:
		return nil
	}
	return violation("MQTT-3.4.2-1", "PUBACK with reason code 0x%02X", byte(r))
}

// AppendPuback appends a PUBACK: four bytes for Success. A 3.1.1 client is not
// told the reason.
func AppendPuback(dst []byte, v Version, id uint16, r Reason) []byte {
	if v != V5 || r == Success {
		return append(dst, byte(PUBACK)<<4, 2, byte(id>>8), byte(id))
	}
	return append(dst, byte(PUBACK)<<4, 3, byte(id>>8), byte(id), byte(r))
}
