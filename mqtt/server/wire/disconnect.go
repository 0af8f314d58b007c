package wire

// Disconnect is a DISCONNECT, read or written [MQTT 3.14].
type Disconnect struct {
	Reason Reason
	// SessionExpiry (s) replaces that of the CONNECT; only a client says it. It
	// is a protocol error where the CONNECT's was 0 and this is not: the server
	// must compare [MQTT 3.14.2.2.2].
	HasSessionExpiry bool
	SessionExpiry    uint32
	// ReasonString is for a person. Written, it is left out where the packet would
	// be longer than Limit, the client's Maximum Packet Size in bytes (0: none)
	// [MQTT-3.14.2-3].
	ReasonString string
	Limit        uint32
}

// ParseDisconnect reads a client's DISCONNECT.
func ParseDisconnect(v Version, p Packet) (Disconnect, error) {
	var d Disconnect
	r := newReader(v, p, DISCONNECT)
	if v == V5 && len(r.b) > 0 { // [MQTT 3.14.2.1]: left out, it is a normal one
		d.Reason = Reason(r.uint8("reason code"))
		r.fail(checkDisconnect(d.Reason))
		d.readProperties(&r)
	}
	return d, r.end()
}

func (d *Disconnect) readProperties(r *reader) {
	if len(r.b) == 0 { // the length may be left out too [MQTT 3.14.2.2.1]
		return
	}
	ps := r.properties(DISCONNECT)
	for p, ok := ps.next(); ok; p, ok = ps.next() {
		switch p.id {
		case propSessionExpiry:
			d.HasSessionExpiry, d.SessionExpiry = true, p.number
		case propReasonString:
			d.ReasonString = string(p.value)
		}
	}
	r.fail(ps.err)
}

// checkDisconnect refuses what a client may not say.
func checkDisconnect(r Reason) error {
	switch r {
	case Success, DisconnectWithWill, Unspecified, MalformedPacket, ProtocolError, ImplementationSpecific,
		TopicNameInvalid, ReceiveMaximumExceeded, TopicAliasInvalid, PacketTooLarge, MessageRateTooHigh,
		QuotaExceeded, AdministrativeAction, PayloadFormatInvalid:
		return nil
	}
	return violation("MQTT-3.14.2-1", "DISCONNECT with reason code 0x%02X", byte(r))
}

// AppendDisconnect appends a DISCONNECT without a session expiry, which a server
// does not send [MQTT-3.14.2-2]. A 3.1.1 server sends none: nothing is appended.
func AppendDisconnect(dst []byte, v Version, d Disconnect) []byte {
	if v != V5 {
		return dst
	}
	return appendReasonString(dst, d.Limit, d.ReasonString, func(dst, reason []byte) []byte {
		return appendPacket(dst, DISCONNECT, v, []byte{byte(d.Reason)}, reason, nil)
	})
}
