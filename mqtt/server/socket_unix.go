//go:build unix

package server

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// wait lets attempt run until it has something.
func (s *socket) wait() error {
	if s.handle == nil {
		return s.block()
	}
	return s.handle.Read(s.try)
}

// attempt reads what is there; false: nothing is.
func (s *socket) attempt(fd uintptr) bool {
	if s.gate != nil && !s.gate.open() {
		return true
	}
	s.buf = s.pool.Get().(*[]byte)
	for {
		s.n, s.err = unix.Read(int(fd), (*s.buf)[s.skip:])
		if !errors.Is(s.err, syscall.EINTR) {
			break
		}
	}
	s.n = max(s.n, 0)
	switch {
	case errors.Is(s.err, syscall.EAGAIN):
		s.err = nil
		s.release()
		if s.gate != nil {
			s.gate.idle()
		}
		return false
	case s.n == 0 && s.err == nil:
		s.err = io.EOF
	}
	return true
}

// tryWrite writes what the connection takes without waiting, which may be nothing.
func (s *stream) tryWrite(b []byte) (n int, err error) {
	if s.handle == nil || s.ahead != nil { // a record of TLS must not be cut
		return 0, nil
	}
	control := s.handle.Write(func(fd uintptr) bool {
		for {
			n, err = unix.Write(int(fd), b)
			if !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	})
	n = max(n, 0)
	if errors.Is(err, syscall.EAGAIN) {
		err = nil
	}
	return n, errors.Join(control, err)
}
