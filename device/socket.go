package device

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
)

// socket is the connection that the MQTT client uses. The client reads byte by
// byte and writes a packet in pieces, from several goroutines: reads go through
// a buffer, and the pieces of a packet, which it writes between Lock and Unlock,
// leave in one write.
type socket struct {
	net.Conn
	raw     *net.TCPConn // what Conn encrypts; Conn itself without TLS
	in      *bufio.Reader
	onClose func()
	closed  atomic.Bool

	sync.Mutex // held by the client while it writes a packet; guards out
	out        *bufio.Writer
}

// dial connects to the broker, with TLS if configured.
func dial(ctx context.Context, cfg Config, onClose func()) (*socket, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", cfg.Address)
	if err != nil {
		return nil, err
	}
	raw := conn.(*net.TCPConn)
	if cfg.TLS != nil {
		secured := tls.Client(raw, cfg.TLS)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // the cause is what matters
			return nil, err
		}
		conn = secured
	}
	return &socket{
		Conn:    conn,
		raw:     raw,
		in:      bufio.NewReaderSize(conn, 512),
		out:     bufio.NewWriterSize(conn, 256),
		onClose: onClose,
	}, nil
}

// Close may be called several times.
func (s *socket) Close() error {
	s.closed.Store(true)
	s.onClose()
	return s.Conn.Close()
}

// shut ends the connection for the broker without a word, not even of TLS, and
// wakes nobody here.
func (s *socket) shut() {
	s.closed.Store(true)
	_ = s.raw.CloseWrite() // it is gone either way
}

// drop closes what is shut. The client finds out by itself.
func (s *socket) drop() {
	s.onClose()
	_ = s.raw.Close() // as shut
}

// Read reads through the buffer.
func (s *socket) Read(p []byte) (int, error) { return s.in.Read(p) }

// Write is called with the lock held.
func (s *socket) Write(p []byte) (int, error) { return s.out.Write(p) }

// Unlock sends the packet. An error stays in the buffer: the next Write returns
// it, and the reader sees the end of the connection.
func (s *socket) Unlock() {
	_ = s.out.Flush()
	s.Mutex.Unlock()
}
