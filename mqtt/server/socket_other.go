//go:build !unix

package server

// wait holds a buffer while it waits, where readiness is not to be had.
func (s *socket) wait() error { return s.block() }

func (s *socket) attempt(uintptr) bool { return true }

// tryWrite takes nothing where writing without waiting is not to be had.
func (s *stream) tryWrite([]byte) (n int, err error) { return 0, nil }
