package wire

import (
	"errors"
	"fmt"
)

// Version is the protocol level that a CONNECT names [MQTT 3.1.2.2].
type Version byte

// The versions that this package speaks. The zero Version is a connection that
// has sent no CONNECT yet.
const (
	V311 Version = 4
	V5   Version = 5
)

// Type is the type of a control packet [MQTT 2.1.2].
type Type byte

// The control packets.
const (
	CONNECT     Type = 1
	CONNACK     Type = 2
	PUBLISH     Type = 3
	PUBACK      Type = 4
	PUBREC      Type = 5
	PUBREL      Type = 6
	PUBCOMP     Type = 7
	SUBSCRIBE   Type = 8
	SUBACK      Type = 9
	UNSUBSCRIBE Type = 10
	UNSUBACK    Type = 11
	PINGREQ     Type = 12
	PINGRESP    Type = 13
	DISCONNECT  Type = 14
	AUTH        Type = 15
)

var typeNames = [16]string{
	"packet type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// String returns the name that the specification uses.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("packet type %d", byte(t))
}

// Packet is one whole control packet.
type Packet struct {
	Type  Type
	Flags byte // the low four bits of the first byte
	// Padded says that the remaining length took more bytes than it needs. MQTT 5
	// forbids it, and the Parse functions refuse it there; 3.1.1 does not.
	Padded bool
	// Body is what follows the remaining length: a part of the buffer that was
	// split.
	Body []byte
}

// ErrShort is returned by Split for a packet that has not arrived whole.
var ErrShort = errors.New("packet is incomplete")

// maxVarint is the length of the longest variable byte integer [MQTT 1.5.5].
const maxVarint = 4

// MaxPacket is the size in bytes of the largest packet that MQTT can express,
// with its fixed header.
const MaxPacket = 1 + maxVarint + maxRemaining

// maxRemaining is the largest remaining length [MQTT 1.5.5].
const maxRemaining = 1<<28 - 1

// Split finds the first packet of buf. size is its length with the fixed
// header: the next packet begins at buf[size]. limit is the largest size
// accepted; a larger packet is refused as soon as its header says so.
//
// ErrShort asks for more bytes: then size is how many the whole packet has, or
// 0 as long as that cannot be told. Any other error is an *Error and ends the
// connection. Split does not allocate on success or ErrShort.
func Split(buf []byte, limit int) (p Packet, size int, err error) {
	if len(buf) == 0 {
		return p, 0, ErrShort
	}
	p.Type, p.Flags = Type(buf[0]>>4), buf[0]&0x0F
	if err := checkFlags(p.Type, p.Flags); err != nil {
		return p, 0, err
	}
	n, width, ok := varint(buf[1:])
	if !ok {
		if len(buf) > maxVarint {
			return p, 0, malformed("", "%v with a remaining length of more than four bytes", p.Type)
		}
		return p, 0, ErrShort
	}
	head := 1 + width
	size = head + int(n)
	if size > limit {
		return p, 0, refuse(PacketTooLarge, "MQTT-3.2.2-15", "%v of %d bytes, at most %d are allowed", p.Type, size, limit)
	}
	if len(buf) < size {
		return p, size, ErrShort
	}
	p.Padded = padded(n, width)
	p.Body = buf[head:size:size]
	return p, size, nil
}

// checkFlags refuses reserved types and reserved flags. Those of a PUBLISH have
// a meaning: ParsePublish.
func checkFlags(t Type, flags byte) error {
	want := byte(0)
	switch t {
	case 0:
		return malformed("", "packet type 0 is reserved")
	case PUBLISH:
		return nil
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		want = 0b0010
	}
	if flags != want {
		return malformed("MQTT-2.1.3-1", "%v with flags %04b", t, flags)
	}
	return nil
}

// Unexpected returns the *Error for a packet that no Parse function reads: one
// that only a server sends, one of QoS 2, which this server does not offer, or
// AUTH, which needs an authentication method. first says that the connection
// has not sent its CONNECT yet; then every type but CONNECT is unexpected, and
// afterwards CONNECT is.
func Unexpected(v Version, t Type, first bool) error {
	switch {
	case first:
		return refuse(ProtocolError, "MQTT-3.1.0-1", "%v before CONNECT", t)
	case t == CONNECT:
		return refuse(ProtocolError, "MQTT-3.1.0-2", "a second CONNECT")
	case t == PUBREC, t == PUBREL, t == PUBCOMP:
		return refuse(ProtocolError, "MQTT-3.2.2-11", "%v belongs to QoS 2, which is not supported", t)
	case t == AUTH && v == V5:
		return refuse(ProtocolError, "MQTT-4.12.0-7", "AUTH without an authentication method")
	case t == AUTH:
		return malformed("", "packet type 15 is reserved")
	}
	return refuse(ProtocolError, "", "%v is sent by servers only", t)
}
