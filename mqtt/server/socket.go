package server

import (
	"net"
	"sync"
	"syscall"
)

// socket reads a TCP connection into memory that it holds only while there is
// something in it: ten thousand idle connections hold none. One goroutine owns it.
type socket struct {
	conn   *net.TCPConn
	handle syscall.RawConn // nil where there is none

	try  func(fd uintptr) bool // attempt, made once
	pool *sync.Pool            // of *[]byte, for this read
	skip int                   // bytes at the beginning of the buffer that stay free
	gate gate                  // nil: always open
	buf  *[]byte               // what was read, until release
	n    int
	err  error
}

func newSocket(conn *net.TCPConn) *socket {
	s := &socket{conn: conn}
	if handle, err := conn.SyscallConn(); err == nil {
		s.handle = handle
	}
	s.try = s.attempt
	return s
}

// gate says whether a socket may be read now.
type gate interface {
	open() bool
	// idle: nothing has arrived yet, so the read begins to wait.
	idle()
}

// read waits until something has arrived and reads it into a buffer of the pool,
// behind skip bytes. 0 bytes without an error: the gate is not open. Whoever gets
// bytes calls release.
func (s *socket) read(pool *sync.Pool, skip int, g gate) (n int, err error) {
	s.pool, s.skip, s.gate, s.n, s.err = pool, skip, g, 0, nil
	if err := s.wait(); err != nil {
		s.release()
		return 0, err
	}
	if s.err != nil {
		s.release()
	}
	return s.n, s.err
}

// data is what the last read brought, skip bytes before it.
func (s *socket) data() []byte { return (*s.buf)[:s.skip+s.n] }

// release gives the buffer back.
func (s *socket) release() {
	if s.buf != nil {
		s.pool.Put(s.buf)
		s.buf = nil
	}
}

// Sizes of the buffers that are read into.
const (
	smallRead = 4 << 10
	largeRead = 64 << 10
)

// smallBuffers and largeBuffers are shared: only who has just read holds one.
var (
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, smallRead); return &b }}
	largeBuffers = sync.Pool{New: func() any { b := make([]byte, largeRead); return &b }}
)

// block reads with a buffer in hand.
func (s *socket) block() error {
	if s.gate != nil && !s.gate.open() {
		return nil
	}
	s.buf = s.pool.Get().(*[]byte)
	s.n, s.err = s.conn.Read((*s.buf)[s.skip:])
	return nil
}
