package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sluice"
	"sluice/mqtt/server/access"
)

// Server is a sluice.Source to which devices connect. One session is open at a time.
// Safe for concurrent use.
type Server struct {
	config Config
	log    *slog.Logger
	stats  counters
	limit  *limiter
	told   atomic.Int64  // second of the last warning of a refused CONNECT
	calls  chan struct{} // has one for each call of the registry that runs; see maxCalls

	mu      sync.Mutex // guards what follows
	bound   []net.Listener
	access  *access.Access
	session *session // the last one; nil before the first
	closed  bool
}

var _ sluice.Source = (*Server)(nil)

// New wires a server and starts nothing.
func New(c Config) *Server {
	c = c.withDefaults()
	return &Server{
		config: c, log: c.Logger, access: c.Access, limit: newLimiter(c.Rate, c.Burst), calls: make(chan struct{}, maxCalls),
	}
}

// errTwice refuses a second session.
var errTwice = errors.New("the front door is open already")

// Open implements sluice.Source. The first call binds the addresses, which stay bound
// between sessions; who connects then waits for the next one.
func (s *Server) Open(_ context.Context, l sluice.Lease, _ []string) (sluice.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	if s.session != nil && !s.session.ended() {
		return nil, errTwice
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	s.session = newSession(s, l)
	s.session.start(s.bound)
	return s.session, nil
}

// prepare binds the addresses unless they are; the caller holds the mutex.
func (s *Server) prepare() (err error) {
	if s.access == nil {
		if s.access, err = access.Open(access.Files{}, s.log); err != nil {
			return err
		}
	}
	if s.bound != nil {
		return nil
	}
	s.bound, err = bind(s.config.Listeners)
	return err
}

// bind listens on all addresses or on none. TCP's own keepalive stays off: MQTT has
// one, and radio links are paid by the byte.
func bind(listeners []Listener) (bound []net.Listener, err error) {
	if len(listeners) == 0 {
		return nil, errors.New("no address to listen on")
	}
	lc := net.ListenConfig{KeepAlive: -1}
	for _, l := range listeners {
		one, err := lc.Listen(context.Background(), "tcp", l.Address)
		if err != nil {
			closeAll(bound)
			return nil, fmt.Errorf("listen on %s: %w", l.Address, err)
		}
		bound = append(bound, one)
	}
	return bound, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// Addr returns the address of listener i once it is bound, nil before.
func (s *Server) Addr(i int) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.bound) {
		return nil
	}
	return s.bound[i].Addr()
}

// Close gives the addresses free. The session must be closed before.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	closeAll(s.bound)
	s.bound = nil
	return nil
}

// past is a deadline that ends an Accept at once.
var past = time.Unix(1, 0)
