package wire

// Connack is the answer to a CONNECT [MQTT 3.2]. The zero value accepts the
// connection on the protocol's own defaults. A 3.1.1 client gets only
// SessionPresent and the return code for Reason.
type Connack struct {
	// SessionPresent is written only with Success [MQTT-3.2.2-6].
	SessionPresent bool
	Reason         Reason

	AssignedClientID string // "": the client brought its own
	// SessionExpiry (s), where the server changed the client's [MQTT 3.2.2.3.2].
	HasSessionExpiry   bool
	SessionExpiry      uint32
	ServerKeepAlive    uint16 // s, where the server changed the client's [MQTT-3.2.2-21]
	HasServerKeepAlive bool
	ReceiveMaximum     uint16 // QoS 1 messages in flight from the client; 0: 65535
	MaximumPacketSize  uint32 // bytes from the client; 0: no limit
	TopicAliasMaximum  uint16 // 0: no aliases from the client
	// NoQoS2 announces Maximum QoS 1 [MQTT-3.2.2-9].
	NoQoS2            bool
	NoRetain          bool // retained messages are not available
	NoWildcard        bool // nor wildcard subscriptions
	NoSubscriptionIDs bool // nor subscription identifiers
	NoShared          bool // nor shared subscriptions

	// ReasonString is for a person. It is left out where the packet would be
	// longer than Limit, the client's Maximum Packet Size in bytes (0: none)
	// [MQTT-3.2.2-19].
	ReasonString string
	Limit        uint32
}

// AppendConnack appends a CONNACK. For 3.1.1 it appends nothing where ReturnCode
// has no code: close without a word.
func AppendConnack(dst []byte, v Version, c Connack) []byte {
	head := []byte{0, byte(c.Reason)}
	if c.SessionPresent && c.Reason == Success {
		head[0] = 1
	}
	if v != V5 {
		code, ok := ReturnCode(c.Reason)
		if !ok {
			return dst
		}
		head[1] = code
		return appendPacket(dst, CONNACK, v, head, nil, nil)
	}
	props := c.properties()
	return appendReasonString(dst, c.Limit, c.ReasonString, func(dst, reason []byte) []byte {
		return appendPacket(dst, CONNACK, v, head, append(reason, props...), nil)
	})
}

// properties encodes all but the reason string, leaving out what is the
// protocol's default.
func (c *Connack) properties() (b []byte) {
	if c.HasSessionExpiry {
		b = appendUint32(append(b, propSessionExpiry), c.SessionExpiry)
	}
	if c.ReceiveMaximum != 0 {
		b = appendUint16(append(b, propReceiveMaximum), c.ReceiveMaximum)
	}
	if c.NoQoS2 {
		b = append(b, propMaximumQoS, 1)
	}
	if c.MaximumPacketSize != 0 {
		b = appendUint32(append(b, propMaximumPacketSize), c.MaximumPacketSize)
	}
	if c.AssignedClientID != "" {
		b = appendString(append(b, propAssignedClientID), c.AssignedClientID)
	}
	if c.TopicAliasMaximum != 0 {
		b = appendUint16(append(b, propTopicAliasMaximum), c.TopicAliasMaximum)
	}
	if c.HasServerKeepAlive {
		b = appendUint16(append(b, propServerKeepAlive), c.ServerKeepAlive)
	}
	return c.appendUnavailable(b)
}

func (c *Connack) appendUnavailable(b []byte) []byte {
	for _, feature := range []struct {
		missing bool
		id      byte
	}{
		{c.NoRetain, propRetainAvailable},
		{c.NoWildcard, propWildcard},
		{c.NoSubscriptionIDs, propSubscriptionIDs},
		{c.NoShared, propShared},
	} {
		if feature.missing {
			b = append(b, feature.id, 0)
		}
	}
	return b
}
