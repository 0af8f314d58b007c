package hostiletest

import (
	"encoding/binary"
	"slices"
)

// The versions of MQTT.
const (
	v311 = 4
	v5   = 5
)

// hello is a CONNECT as a test writes it. The zero value of flags is a clean session.
type hello struct {
	version        byte
	id             string
	dirty          bool // a session that is not clean
	user, password string
	anonymous      bool // neither user nor password
	will           *will
}

// will is a last will.
type will struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
}

// keepAlive is that of every client, in seconds.
const keepAlive = 60

func (h hello) packet() []byte {
	flags := byte(0)
	if !h.dirty {
		flags |= 0x02
	}
	if !h.anonymous {
		flags |= 0xC0
	}
	if w := h.will; w != nil {
		flags |= 0x04 | w.qos<<3
		if w.retain {
			flags |= 0x20
		}
	}
	b := append(text(nil, "MQTT"), h.version, flags)
	b = binary.BigEndian.AppendUint16(b, keepAlive)
	b = text(properties(b, h.version), h.id)
	if w := h.will; w != nil {
		b = text(text(properties(b, h.version), w.topic), string(w.payload))
	}
	if !h.anonymous {
		b = text(text(b, h.user), h.password)
	}
	return packet(0x10, b)
}

// publication is a PUBLISH as a test writes it.
type publication struct {
	topic   string
	payload []byte
	qos     byte
	id      uint16
	retain  bool
	dup     bool
	props   []byte // v5, without length
}

func (p publication) packet(version byte) []byte {
	first := 0x30 | p.qos<<1
	if p.retain {
		first |= 0x01
	}
	if p.dup {
		first |= 0x08
	}
	b := text(nil, p.topic)
	if p.qos > 0 {
		b = binary.BigEndian.AppendUint16(b, p.id)
	}
	return packet(first, append(properties(b, version, p.props...), p.payload...))
}

// subscribe is a SUBSCRIBE of one filter with QoS 1.
func subscribe(version byte, id uint16, filter string) []byte {
	b := properties(binary.BigEndian.AppendUint16(nil, id), version)
	return packet(0x82, append(text(b, filter), 1))
}

func puback(id []byte) []byte { return []byte{0x40, 2, id[0], id[1]} }

// text is a string with its length, which may be anything.
func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// properties are there in v5 only; these are shorter than 128 bytes.
func properties(b []byte, version byte, all ...byte) []byte {
	if version != v5 {
		return b
	}
	return append(append(b, byte(len(all))), all...)
}

func packet(first byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

// cut takes a whole packet off a buffer.
func cut(buf []byte) (first byte, body, rest []byte, ok bool) {
	if len(buf) < 2 {
		return 0, nil, buf, false
	}
	n, width := binary.Uvarint(buf[1:])
	if width <= 0 || uint64(len(buf)-1-width) < n {
		return 0, nil, buf, false
	}
	end := 1 + width + int(n)
	return buf[0], slices.Clone(buf[1+width : end]), buf[end:], true
}

// delivery is a PUBLISH that came.
type delivery struct {
	topic   string
	payload string
	retain  bool
	id      []byte // of QoS 1; nil for QoS 0
}

func parseDelivery(version, first byte, body []byte) delivery {
	n := int(binary.BigEndian.Uint16(body))
	d := delivery{topic: string(body[2 : 2+n]), retain: first&1 != 0}
	body = body[2+n:]
	if first&6 != 0 {
		d.id, body = body[:2], body[2:]
	}
	if version == v5 {
		size, width := binary.Uvarint(body)
		body = body[width+int(size):]
	}
	d.payload = string(body)
	return d
}
