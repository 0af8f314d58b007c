package mqtt

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"sluice"
	"sluice/internal/testenv"
)

// slowPeer returns a session on a real connection whose other end reads only
// when the test does.
func slowPeer(t *testing.T) (*session, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(Config{}.withDefaults(), &stream{Conn: raw, raw: raw, handle: handleOf(raw)}, &counters{})
	t.Cleanup(func() { peer.Close(); s.Close() })
	return s, peer
}

// A broker that is slow to read acknowledgements holds nobody up, and gets all of
// them in order.
func TestOutbox_AckDoesNotWaitForASlowBroker(t *testing.T) {
	t.Parallel()
	s, peer := slowPeer(t)
	const acks, each = 2_000_000, 1000 // 8 MB, more than the kernel holds
	ds := make([]sluice.Delivery, each)
	for n := range acks / each {
		for i := range ds {
			ds[i] = sluice.Delivery{QoS: 1, PacketID: uint16(n*each + i)}
		}
		if err := s.Ack(ds); err != nil {
			t.Fatal(err)
		}
	}
	if !s.out.behind() {
		t.Fatal("the kernel took everything: the test shows nothing")
	}
	got := make([]byte, acks*pubackSize)
	if err := peer.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	for i := range acks {
		if id := binary.BigEndian.Uint16(got[i*pubackSize+2:]); id != uint16(i) {
			t.Fatalf("acknowledgement %d is of packet %d, want %d", i, id, uint16(i))
		}
	}
	testenv.Eventually(t, time.Minute, func() error {
		if s.out.behind() {
			return io.ErrShortWrite
		}
		return nil
	})
}

func TestOutbox_EndOfTheSessionFreesWhoeverWaits(t *testing.T) {
	t.Parallel()
	s, _ := slowPeer(t)
	waiting := make(chan error)
	go func() {
		packet := make([]byte, 1<<20)
		for {
			if err := s.write(packet); err != nil {
				waiting <- err
				return
			}
		}
	}()
	testenv.Eventually(t, time.Minute, func() error {
		s.out.mu.Lock()
		defer s.out.mu.Unlock()
		if len(s.out.backlog) <= maxBacklog {
			return io.ErrShortBuffer
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; err == nil {
		t.Error("write went on after the end")
	}
}

// deadlines is a connection that notes its write deadline.
type deadlines struct {
	net.Conn
	last time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.last = t
	return d.Conn.SetWriteDeadline(t)
}

// A deadline that stayed would end the session at the first acknowledgement after
// it, long after the broker has caught up.
func TestOutbox_LeavesNoDeadlineBehind(t *testing.T) {
	t.Parallel()
	s, peer := slowPeer(t)
	conn := &deadlines{Conn: s.conn.Conn}
	s.conn.Conn = conn
	go io.Copy(io.Discard, peer)
	if err := s.out.write([]byte{0xC0, 0}); err != nil {
		t.Fatal(err)
	}
	if !conn.last.IsZero() {
		t.Errorf("write deadline %v stays after the write", conn.last)
	}
}

// A session that ends while the rest of a packet waits says nothing more: a
// DISCONNECT behind half a PUBACK would acknowledge another message.
func TestOutbox_NoFarewellWithinAPacket(t *testing.T) {
	t.Parallel()
	s, _ := slowPeer(t)
	s.over(errClosed)
	o := &s.out
	o.backlog, o.draining, o.drained = []byte{1}, true, make(chan struct{})
	o.drain()
	if !o.behind() {
		t.Error("the connection counts as free for a DISCONNECT")
	}
}
