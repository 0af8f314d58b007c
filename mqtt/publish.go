package mqtt

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// publish is a parsed PUBLISH packet. Its slices point into the packet.
type publish struct {
	topic, payload []byte
	id             uint16 // 0 for QoS 0
	qos            byte
	dup, retain    bool
}

// Flags of the fixed header of a PUBLISH [MQTT 3.3.1].
const (
	flagRetain = 0x01
	maskQoS    = 0x06
	flagDup    = 0x08
)

// parsePublish reads a PUBLISH: the low four bits of its first byte and
// everything behind the remaining length. The subscription identifiers are
// appended to subs. It reads nothing outside body and keeps nothing of it.
//
// cut says that body is only the beginning of the packet; then properties that
// do not fit into it are passed over and the rest taken for payload.
func parsePublish(flags byte, body []byte, subs []uint32, cut bool) (publish, []uint32, error) {
	p := publish{qos: flags & maskQoS >> 1, dup: flags&flagDup != 0, retain: flags&flagRetain != 0}
	switch {
	case p.qos == 3:
		return p, subs, malformed("PUBLISH with QoS 3 [MQTT-3.3.1-4]")
	case p.qos == 2:
		return p, subs, &protocolError{codeQoSUnsupported, "PUBLISH with QoS 2, subscribed at QoS 1 [MQTT-3.8.4-8]"}
	case p.qos == 0 && p.dup:
		return p, subs, malformed("PUBLISH with QoS 0 and DUP [MQTT-3.3.1-2]")
	}
	topic, rest, ok := takeBinary(body)
	if !ok {
		return p, subs, malformed("PUBLISH ends within the topic")
	}
	p.topic = topic
	if err := checkTopic(p.topic); err != nil {
		return p, subs, err
	}
	if p.qos > 0 {
		if len(rest) < 2 {
			return p, subs, malformed("PUBLISH ends within the packet identifier")
		}
		if p.id = binary.BigEndian.Uint16(rest); p.id == 0 {
			return p, subs, violation("PUBLISH with packet identifier 0 [MQTT-2.2.1-4]")
		}
		rest = rest[2:]
	}
	size, rest, ok := takeVarint(rest)
	if !ok {
		return p, subs, malformed("PUBLISH ends within the property length")
	}
	if uint64(size) > uint64(len(rest)) {
		if cut {
			p.payload = rest
			return p, subs, nil
		}
		return p, subs, malformed("PUBLISH ends within the properties")
	}
	p.payload = rest[size:]
	subs, err := publishProperties(rest[:size], subs)
	return p, subs, err
}

// checkTopic refuses what no broker may send as a topic name.
func checkTopic(topic []byte) error {
	switch {
	case len(topic) == 0: // would need a topic alias, and we allow none
		return violation("PUBLISH without a topic [MQTT-4.7.3-1]")
	case bytes.IndexByte(topic, 0) >= 0:
		return malformed("topic contains NUL [MQTT-1.5.4-2]")
	case !utf8.Valid(topic):
		return malformed("topic is not UTF-8 [MQTT-1.5.4-1]")
	case bytes.IndexByte(topic, '+') >= 0, bytes.IndexByte(topic, '#') >= 0:
		return malformed("topic contains a wildcard [MQTT-3.3.2-2]")
	}
	return nil
}

// Properties of a PUBLISH [MQTT 3.3.2.3].
const (
	propPayloadFormat = 0x01 // byte
	propExpiry        = 0x02 // four bytes
	propContentType   = 0x03 // string
	propResponseTopic = 0x08 // string
	propCorrelation   = 0x09 // binary
	propSubscription  = 0x0B // varint, may repeat
	propTopicAlias    = 0x23 // two bytes
	propUser          = 0x26 // string pair, may repeat
)

// publishProperties walks over the properties and appends the subscription
// identifiers to subs.
func publishProperties(props []byte, subs []uint32) ([]uint32, error) {
	var seen uint64 // a bit per property that must not repeat
	for len(props) > 0 {
		id := props[0]
		props = props[1:]
		if id == propSubscription {
			v, rest, ok := takeVarint(props)
			if !ok {
				return subs, malformed("PUBLISH ends within a subscription identifier")
			}
			if v == 0 {
				return subs, violation("subscription identifier 0 [MQTT 3.3.2.3.8]")
			}
			subs, props = append(subs, v), rest
			continue
		}
		if id == propTopicAlias {
			return subs, &protocolError{codeAliasInvalid, "topic alias, though none is allowed [MQTT-3.3.2-9]"}
		}
		rest, ok := skipProperty(id, props)
		if !ok {
			return subs, malformed("PUBLISH with a property that is cut off or does not belong there [MQTT-2.2.2-2]")
		}
		if id != propUser {
			if seen&(1<<id) != 0 {
				return subs, violation("PUBLISH with the same property twice")
			}
			seen |= 1 << id
		}
		props = rest
	}
	return subs, nil
}

// skipProperty returns what follows the value of a property; ok is false when
// the property is none of a PUBLISH or its value is cut off.
func skipProperty(id byte, b []byte) (rest []byte, ok bool) {
	switch id {
	case propPayloadFormat:
		return skip(b, 1)
	case propExpiry:
		return skip(b, 4)
	case propContentType, propResponseTopic, propCorrelation:
		_, rest, ok = takeBinary(b)
		return rest, ok
	case propUser:
		if _, rest, ok = takeBinary(b); !ok {
			return nil, false
		}
		_, rest, ok = takeBinary(rest)
		return rest, ok
	}
	return nil, false
}

func skip(b []byte, n int) (rest []byte, ok bool) {
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

// takeBinary splits a two-byte length and as many bytes off b.
func takeBinary(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b)) + 2
	if len(b) < n {
		return nil, nil, false
	}
	return b[2:n:n], b[n:], true
}

// maxVarint is the length of the longest variable byte integer.
const maxVarint = 4

// takeVarint splits a variable byte integer [MQTT 1.5.5] off b; ok is false
// when it is cut off or longer than maxVarint.
func takeVarint(b []byte) (v uint32, rest []byte, ok bool) {
	for i := 0; i < len(b) && i < maxVarint; i++ {
		v |= uint32(b[i]&0x7F) << (7 * i)
		if b[i] < 0x80 {
			return v, b[i+1:], true
		}
	}
	return 0, nil, false
}
