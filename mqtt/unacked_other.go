//go:build !linux

package mqtt

import "syscall"

// limitUnacked does nothing where the kernel has no such limit; keepalive
// notices a dead connection.
func limitUnacked(_, _ string, _ syscall.RawConn) error { return nil }
