package server

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// acceptPause is how long after a failed accept the next one is tried: the process
// has no file descriptor left, for instance.
const acceptPause = 100 * time.Millisecond

// accept lets clients in until the session is over.
func (s *session) accept(l net.Listener, config *tls.Config) {
	for broken := false; !s.ended(); {
		conn, err := l.Accept()
		switch {
		case err == nil:
			broken = false
			s.admit(conn.(*net.TCPConn), config)
		case s.ended(), errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, net.ErrClosed):
			s.fail(err)
		default:
			if !broken {
				s.log.Error("a connection could not be accepted, trying on", "err", err)
			}
			broken = true
			s.wait(acceptPause)
		}
	}
}

// sendBuffer is what the system keeps of a connection that its client does not read, in
// bytes; Linux takes twice as much. By itself it would keep 4 MiB before maxOutput is
// looked at.
const sendBuffer = 64 << 10

// wait returns after d or when the session is over.
func (s *session) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
}

// admit starts a connection if there is room for it.
func (s *session) admit(tcp *net.TCPConn, config *tls.Config) {
	if !s.server.limit.allow(addressOf(tcp), time.Now()) {
		s.stats.refusedRate.Add(1)
		_ = tcp.Close()
		return
	}
	_ = tcp.SetWriteBuffer(sendBuffer) // fails only when it is closed
	c := newConnection(s, newStream(tcp, config))
	if !s.enter(c) {
		c.stream.closeNow()
		return
	}
	go c.serve()
}

// enter counts a connection in; false when there are too many or the session is over.
func (s *session) enter(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	if len(s.open) >= s.config.MaxConnections {
		s.stats.refusedFull.Add(1)
		return false
	}
	s.open[c] = struct{}{}
	s.running.Add(1)
	s.stats.connections.Add(1)
	return true
}

// leave counts a connection out.
func (s *session) leave(c *connection) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	s.stats.connections.Add(-1)
}

// restart ends what interrupt did.
func restart(l net.Listener) error { return l.(*net.TCPListener).SetDeadline(time.Time{}) }

// interrupt ends an Accept that waits.
func interrupt(l net.Listener) { _ = l.(*net.TCPListener).SetDeadline(past) }

func addressOf(c *net.TCPConn) netip.Addr {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := a.AddrPort().Addr().Unmap()
	if ip.Is6() {
		p, _ := ip.WithZone("").Prefix(64) // cannot fail: an IPv6 address has 128 bits
		return p.Addr()
	}
	return ip
}
