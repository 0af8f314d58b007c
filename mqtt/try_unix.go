//go:build unix

package mqtt

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// try writes what the connection takes without waiting, which may be nothing.
// Over TLS it takes nothing: a record must not be cut.
func (s *stream) try(b []byte) (n int, err error) {
	if s.handle == nil {
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
