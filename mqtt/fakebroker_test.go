package mqtt

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// peer is the broker's end of one connection, driven byte by byte by a script.
type peer struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// fakeBroker runs a script for each connection, the first script for the first
// one, and returns its URL. The test waits for the scripts; a script ends by
// returning, which closes its connection.
func fakeBroker(t testing.TB, scripts ...func(*peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, script := range scripts {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			run(t, conn, script)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return "mqtt://" + l.Addr().String()
}

func run(t testing.TB, conn net.Conn, script func(*peer)) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	script(&peer{t, conn, bufio.NewReader(conn)})
}

// failf fails the test and ends the scripts.
func (p *peer) failf(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("broker: "+format, args...)
	runtime.Goexit()
}

// send writes bytes in one write.
func (p *peer) send(b ...[]byte) {
	p.t.Helper()
	var all []byte
	for _, b := range b {
		all = append(all, b...)
	}
	if _, err := p.conn.Write(all); err != nil {
		p.failf("%v", err)
	}
}

// expect reads the next packet, which must be of the type given. Other PINGREQs
// are answered on the way.
func (p *peer) expect(kind byte) *packets.ControlPacket {
	p.t.Helper()
	cp, err := packets.ReadPacket(p.in)
	if err != nil {
		p.failf("%v, want packet of type %d", err, kind)
	}
	if cp.Type == packets.PINGREQ && kind != packets.PINGREQ {
		p.send([]byte{packets.PINGRESP << 4, 0})
		return p.expect(kind)
	}
	if cp.Type != kind {
		p.failf("got packet of type %d (%v), want %d", cp.Type, cp, kind)
	}
	return cp
}

// expectDisconnect reads up to DISCONNECT and checks its code, then the end of
// the connection.
func (p *peer) expectDisconnect(code byte) {
	p.t.Helper()
	for {
		cp, err := packets.ReadPacket(p.in)
		if err != nil {
			p.failf("%v, want DISCONNECT", err)
		}
		if d, ok := cp.Content.(*packets.Disconnect); ok {
			if d.ReasonCode != code {
				p.t.Errorf("broker: got DISCONNECT 0x%02X, want 0x%02X", d.ReasonCode, code)
			}
			break
		}
	}
	if _, err := p.in.ReadByte(); !errors.Is(err, io.EOF) && err == nil {
		p.t.Error("broker: bytes after DISCONNECT [MQTT-3.14.4-1]")
	}
}

// welcome answers CONNECT and one SUBSCRIBE.
func (p *peer) welcome() {
	p.t.Helper()
	p.expect(packets.CONNECT)
	p.send(connackOK)
	p.expect(packets.SUBSCRIBE)
	p.send(suback(1, 1))
}

var connackOK = []byte{packets.CONNACK << 4, 3, 0, 0, 0}

func connack(flags, code byte, props string) []byte {
	b := append([]byte{packets.CONNACK << 4, byte(3 + len(props)), flags, code, byte(len(props))}, props...)
	return b
}

func suback(id uint16, code byte) []byte {
	return []byte{packets.SUBACK << 4, 4, byte(id >> 8), byte(id), 0, code}
}

// wait returns when the client has closed the connection.
func (p *peer) wait() { _, _ = io.Copy(io.Discard, p.in) }
