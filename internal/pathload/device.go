package pathload

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// Device publishes as a careful device does: it keeps each message until the
// server has acknowledged it, and after a reconnect sends it again, with DUP and
// the same packet id where the server still has the session [MQTT-4.4.0-1], anew
// where not. Safe for concurrent use.
type Device struct {
	t      testing.TB
	link   Link
	name   string
	window chan struct{} // a place for each message in flight
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex // guards what follows; held for each write
	conn    net.Conn   // nil while not connected
	unacked []*Publication
	lastID  uint16
	acked   int
	fault   error // why the last connection ended
	count   Sessions
}

// Sessions counts the CONNECTs of devices that were accepted.
type Sessions struct {
	Connected int
	// Absent is how often the server knew nothing of an earlier session any more.
	Absent int
}

// errUnbroken stands for the fault of a device whose first connection goes on.
var errUnbroken = errors.New("never broken")

// Window is how many messages a device has in flight at most.
const Window = 50

// Link is how a device connects.
type Link struct {
	// Address of the server, host:port.
	Address string
	// AnswerWithin is how long a device waits for an answer before it connects anew.
	// Default 0: as long as the connection lasts. A device that has nothing to send
	// connects anew as well.
	AnswerWithin time.Duration
}

// StartDevice connects a device for the life of the test. Its name is its client id.
func StartDevice(t testing.TB, link Link, name string) *Device {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &Device{
		t: t, link: link, name: name, window: make(chan struct{}, Window), cancel: cancel,
		ended: make(chan struct{}), fault: errUnbroken,
	}
	go d.run(ctx)
	t.Cleanup(d.close)
	return d
}

// close ends the device without a DISCONNECT.
func (d *Device) close() {
	d.cancel()
	d.HangUp()
	<-d.ended
}

// HangUp ends the connection; the device makes a new one.
func (d *Device) HangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// Send takes a message over, blocking while the window is full. It returns
// false when stop was closed first.
func (d *Device) Send(p *Publication, stop <-chan struct{}) bool {
	if p.QoS > 0 {
		select {
		case d.window <- struct{}{}:
		case <-stop:
			return false
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.QoS > 0 {
		p.id = d.freeID()
		d.unacked = append(d.unacked, p)
	}
	d.write(p, false)
	return true
}

func (d *Device) freeID() uint16 {
	for {
		d.lastID = d.lastID%0xffff + 1
		if !slices.ContainsFunc(d.unacked, func(p *Publication) bool { return p.id == d.lastID }) {
			return d.lastID
		}
	}
}

// write writes a PUBLISH if there is a connection; a fault shows to its reader.
// d.mu is held.
func (d *Device) write(p *Publication, dup bool) {
	if d.conn == nil {
		return
	}
	packet := &packets.Publish{
		Topic: p.Topic, Payload: p.Payload, QoS: p.QoS, Retain: p.Retain, PacketID: p.id, Duplicate: dup,
		Properties: &packets.Properties{},
	}
	var b bytes.Buffer
	_, _ = packet.WriteTo(&b) // a buffer takes everything
	p.sends++
	_ = d.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := d.conn.Write(b.Bytes()); err != nil {
		_ = d.conn.Close()
	}
}

// run keeps a connection until ctx ends.
func (d *Device) run(ctx context.Context) {
	defer close(d.ended)
	for ctx.Err() == nil {
		err := d.connection(ctx)
		d.note(err)
		select { // the broker may refuse for a while: do not hammer it
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// connection is the life of one connection.
func (d *Device) connection(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.link.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in := bufio.NewReader(conn)
	present, err := d.handshake(conn, in)
	if err != nil {
		return err
	}
	d.resend(conn, present)
	for {
		if d.link.AnswerWithin > 0 {
			_ = conn.SetReadDeadline(time.Now().Add(d.link.AnswerWithin))
		}
		packet, err := packets.ReadPacket(in)
		if err != nil {
			return err
		}
		ack, ok := packet.Content.(*packets.Puback)
		if !ok {
			return fmt.Errorf("%s: packet of type %d", d.name, packet.Type)
		}
		if err := d.settle(ack); err != nil {
			return err
		}
	}
}

func (d *Device) handshake(conn net.Conn, in *bufio.Reader) (present bool, err error) {
	expiry := uint32(3600)
	connect := &packets.Connect{
		ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: d.name, KeepAlive: 3600,
		Properties: &packets.Properties{SessionExpiryInterval: &expiry},
	}
	_ = conn.SetDeadline(time.Now().Add(cmp.Or(d.link.AnswerWithin, 10*time.Second)))
	defer func() { _ = conn.SetDeadline(time.Time{}) }()
	if _, err := connect.WriteTo(conn); err != nil {
		return false, err
	}
	packet, err := packets.ReadPacket(in)
	if err != nil {
		return false, err
	}
	ack, ok := packet.Content.(*packets.Connack)
	if !ok || ack.ReasonCode != 0 {
		return false, fmt.Errorf("%s: connection refused: %v", d.name, packet)
	}
	return ack.SessionPresent, nil
}

// resend sends everything unacknowledged again, in order, before anything new.
func (d *Device) resend(conn net.Conn, present bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = conn
	if d.count.Connected++; d.count.Connected > 1 && !present {
		d.count.Absent++
	}
	for _, p := range d.unacked {
		d.write(p, present && p.sends > 0)
	}
}

// note keeps why the connection ended.
func (d *Device) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.fault = nil, err
}

// settle handles a PUBACK. A refusal ends the connection: the message stays and
// is sent again on the next one.
func (d *Device) settle(ack *packets.Puback) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.unacked, func(p *Publication) bool { return p.id == ack.PacketID })
	if i < 0 {
		return nil // of an earlier connection
	}
	if ack.ReasonCode >= 0x80 {
		return fmt.Errorf("%s: publication refused with code %#x", d.name, ack.ReasonCode)
	}
	p := d.unacked[i]
	p.acked, p.nobody = true, ack.ReasonCode == 0x10
	d.acked++
	d.unacked = slices.Delete(d.unacked, i, i+1)
	<-d.window
	return nil
}

// AwaitAcks waits until everything sent is acknowledged.
func (d *Device) AwaitAcks() {
	d.t.Helper()
	Eventually(d.t, patience, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if n := len(d.unacked); n > 0 {
			return fmt.Errorf("%s: %d messages not acknowledged, the first: %v; last connection: %w", d.name, n, d.unacked[0], d.fault)
		}
		return nil
	})
}

// Counts returns how many messages were acknowledged and are not.
func (d *Device) Counts() (acked, unacked int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.acked, len(d.unacked)
}

// AwaitConnected waits until the device has a connection.
func (d *Device) AwaitConnected() {
	d.t.Helper()
	Eventually(d.t, patience, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.conn == nil {
			return fmt.Errorf("%s is not connected: %w", d.name, d.fault)
		}
		return nil
	})
}
