//go:build !linux

package mqtt

import "syscall"

// alarm does nothing where the kernel cannot hold wake-ups back.
type alarm struct{}

func newAlarm(syscall.Conn) *alarm { return nil }

func (*alarm) quiet() {}
func (*alarm) loud()  {}
