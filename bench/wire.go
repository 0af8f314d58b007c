package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/eclipse/paho.golang/packets"
)

// First bytes of the packets that matter here [MQTT 2.1.2].
const (
	typeConnack    = 0x20
	typePublish1   = 0x32 // PUBLISH with QoS 1
	typePuback     = 0x40
	typePingresp   = 0xd0
	typeDisconnect = 0xe0
)

var (
	packetPingreq    = []byte{0xc0, 0}
	packetDisconnect = []byte{0xe0, 0}
)

// keepAlive is the keepalive in seconds that every connection asks for.
const keepAlive = 60

// connect is what CONNECT tells the broker.
type connect struct {
	protocol       Protocol
	clientID       string
	user, password string
}

// allowance is what CONNACK allows.
type allowance struct {
	inFlight  int // messages
	keepAlive int // seconds
}

// handshake sends CONNECT with a clean session and returns when CONNACK accepts
// it. It reads nothing beyond CONNACK.
func (c connect) handshake(conn io.ReadWriter) (allowance, error) {
	if c.protocol == MQTT311 {
		return c.handshake311(conn)
	}
	packet := &packets.Connect{
		ProtocolName: "MQTT", ProtocolVersion: byte(MQTT5), ClientID: c.clientID, CleanStart: true, KeepAlive: keepAlive,
		UsernameFlag: c.user != "", Username: c.user,
		PasswordFlag: c.password != "", Password: []byte(c.password),
	}
	if _, err := packet.WriteTo(conn); err != nil {
		return allowance{}, err
	}
	answer, err := packets.ReadPacket(conn)
	if err != nil {
		return allowance{}, err
	}
	ack, ok := answer.Content.(*packets.Connack)
	if !ok {
		return allowance{}, fmt.Errorf("%s instead of CONNACK", answer.PacketType())
	}
	if ack.ReasonCode != 0 {
		return allowance{}, fmt.Errorf("connection refused: %s", ack.Reason())
	}
	a := allowance{inFlight: maxWindow, keepAlive: keepAlive}
	if v := ack.Properties.ReceiveMaximum; v != nil {
		a.inFlight = int(*v)
	}
	if v := ack.Properties.ServerKeepAlive; v != nil {
		a.keepAlive = int(*v)
	}
	if v := ack.Properties.MaximumQOS; v != nil && *v == 0 {
		return a, errors.New("the broker allows QoS 0 only")
	}
	return a, nil
}

func (c connect) handshake311(conn io.ReadWriter) (allowance, error) {
	if _, err := conn.Write(c.packet311()); err != nil {
		return allowance{}, err
	}
	var ack [4]byte
	if _, err := io.ReadFull(conn, ack[:]); err != nil {
		return allowance{}, err
	}
	if ack[0] != typeConnack || ack[1] != 2 {
		return allowance{}, fmt.Errorf("packet %#02x instead of CONNACK", ack[0])
	}
	if ack[3] != 0 {
		return allowance{}, fmt.Errorf("connection refused: return code %d", ack[3])
	}
	return allowance{inFlight: maxWindow, keepAlive: keepAlive}, nil
}

// packet311 is a CONNECT of MQTT 3.1.1, which the library cannot write.
func (c connect) packet311() []byte {
	flags := byte(0x02) // clean session
	body := appendString(nil, c.clientID)
	if c.user != "" {
		flags |= 0x80
		body = appendString(body, c.user)
	}
	if c.password != "" {
		flags |= 0x40
		body = appendString(body, c.password)
	}
	head := append(appendString(nil, "MQTT"), byte(MQTT311), flags, 0, keepAlive)
	packet := binary.AppendUvarint([]byte{0x10}, uint64(len(head)+len(body)))
	return append(append(packet, head...), body...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// publishTemplate returns a PUBLISH with QoS 1 and the offset of its packet
// identifier.
func publishTemplate(protocol Protocol, topic string, payload []byte) (packet []byte, idAt int) {
	body := appendString(nil, topic)
	idAt = len(body)
	body = append(body, 0, 0)
	if protocol == MQTT5 {
		body = append(body, 0) // no properties
	}
	body = append(body, payload...)
	packet = binary.AppendUvarint([]byte{typePublish1}, uint64(len(body)))
	return append(packet, body...), len(packet) + idAt
}

// ack is a PUBACK. Its code is 0 for success, and always in MQTT 3.1.1.
type ack struct {
	id   uint16
	code byte
}

// parseAcks appends the PUBACKs at the beginning of b to acks and returns what is
// left of an unfinished packet. It accepts PINGRESP, and reports DISCONNECT and
// everything else as an error. It keeps nothing of b.
func parseAcks(b []byte, acks []ack) ([]ack, []byte, error) {
	for len(b) >= 2 {
		size, n := binary.Uvarint(b[1:])
		switch {
		case n < 0 || n > 4 || n == 0 && len(b) > 4 || size > maxAnswer:
			return acks, b, fmt.Errorf("packet %#02x of a length that no answer has", b[0])
		case n == 0 || uint64(len(b)) < 1+uint64(n)+size:
			return acks, b, nil
		}
		body := b[1+n : 1+uint64(n)+size]
		switch {
		case b[0] == typePuback && size >= 2:
			a := ack{id: binary.BigEndian.Uint16(body)}
			if size > 2 {
				a.code = body[2]
			}
			acks = append(acks, a)
		case b[0] == typePingresp && size == 0:
		case b[0] == typeDisconnect && size > 0:
			return acks, b, fmt.Errorf("broker disconnects: reason code %#02x", body[0])
		default:
			return acks, b, fmt.Errorf("unexpected packet %#02x from the broker", b[0])
		}
		b = b[1+uint64(n)+size:]
	}
	return acks, b, nil
}

// maxAnswer is the limit of an answer's length in bytes; a PUBACK may carry a
// reason in words.
const maxAnswer = 1 << 10
