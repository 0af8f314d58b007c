package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"syscall"
	"time"
)

// stream is a client's connection, with TLS or without.
type stream struct {
	net.Conn // of TLS if there is TLS
	tcp      *net.TCPConn
	handle   syscall.RawConn // for writing; nil where there is none
	socket   *socket
	ahead    *ahead // below TLS; nil without
}

func newStream(tcp *net.TCPConn, config *tls.Config) *stream {
	s := &stream{Conn: tcp, tcp: tcp, socket: newSocket(tcp)}
	s.handle = s.socket.handle
	if config != nil {
		s.ahead = &ahead{TCPConn: tcp, socket: s.socket}
		s.Conn = tls.Server(s.ahead, config)
	}
	return s
}

// handshake does that of TLS.
func (s *stream) handshake(ctx context.Context) error {
	if t, ok := s.Conn.(*tls.Conn); ok {
		return t.HandshakeContext(ctx)
	}
	return nil
}

// certificate is the client's after the handshake, if it was verified; else nil.
func (s *stream) certificate() *x509.Certificate {
	t, ok := s.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if chains := t.ConnectionState().VerifiedChains; len(chains) > 0 {
		return chains[0][0]
	}
	return nil
}

// lingerTime is how long a client may take to read why it was disconnected.
const lingerTime = time.Second

// finish ends the sending side. What the client still sends is read for a moment,
// because closing with unread data would destroy what it has not read yet.
func (s *stream) finish() {
	deadline := time.Now().Add(lingerTime)
	_ = s.tcp.SetDeadline(deadline) // fails only when it is closed
	if t, ok := s.Conn.(*tls.Conn); ok {
		_ = t.CloseWrite() // the word was sent; this is only a farewell
	}
	_ = s.tcp.CloseWrite()
}

// closeNow closes without the farewell of TLS, which could wait for the client.
func (s *stream) closeNow() { _ = s.tcp.Close() }
