package doortest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// raw is a connection on which a test writes MQTT 3.1.1 byte by byte.
type raw struct {
	net.Conn

	head [4]byte // of what was read
}

// answerTime is how long a raw client waits for anything.
const answerTime = 30 * time.Second

// dialFrom connects from an address of this machine, 127.0.0.x: the door limits new
// connections by it, and each has ports of its own.
func dialFrom(x int, address string) (*raw, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(x))}, Timeout: answerTime, KeepAlive: -1}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &raw{Conn: conn}, nil
}

// send writes whole packets.
func (r *raw) send(packets ...[]byte) error {
	for _, p := range packets {
		_ = r.SetWriteDeadline(time.Now().Add(answerTime)) // fails only as the write will
		if _, err := r.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// errAnswer is an answer that is not the expected one.
var errAnswer = errors.New("unexpected answer")

// expect reads a packet whose bytes must be these.
func (r *raw) expect(want ...byte) error {
	got := r.head[:len(want)]
	_ = r.SetReadDeadline(time.Now().Add(answerTime)) // fails only as the read will
	if _, err := io.ReadFull(r, got); err != nil {
		return err
	}
	if string(got) != string(want) {
		return fmt.Errorf("%w: % x, want % x", errAnswer, got, want)
	}
	return nil
}

// ask writes a packet whose answer must be these bytes.
func (r *raw) ask(packet []byte, want ...byte) error {
	if err := r.send(packet); err != nil {
		return err
	}
	return r.expect(want...)
}

// rawConnack lets a client in.
var rawConnack = []byte{0x20, 2, 0, 0}

// rawWill is a last will of QoS 1.
type rawWill struct {
	topic   string
	payload []byte
}

// rawKeepAlive is that of every raw client.
const rawKeepAlive = 60 * time.Second

func rawConnect(name string, will *rawWill) []byte {
	flags := byte(0x02)
	if will != nil {
		flags |= 0x04 | 1<<3
	}
	b := append(rawText(nil, "MQTT"), 4, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(rawKeepAlive/time.Second))
	b = rawText(b, name)
	if will != nil {
		b = rawText(rawText(b, will.topic), string(will.payload))
	}
	return rawPacket(0x10, b)
}

// rawPublish is a PUBLISH of QoS 1.
func rawPublish(topic string, id uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(rawText(nil, topic), id)
	return rawPacket(0x32, append(b, payload...))
}

func rawPuback(id uint16) []byte { return []byte{0x40, 2, byte(id >> 8), byte(id)} }

func rawText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func rawPacket(first byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

func (r *raw) tcp() *net.TCPConn { return r.Conn.(*net.TCPConn) }

// CloseWrite ends the sending side.
func (r *raw) CloseWrite() error { return r.tcp().CloseWrite() }

// reset makes Close a reset of TCP.
func (r *raw) reset() error { return r.tcp().SetLinger(0) }
