package mqtt

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// quietBytes is how much must arrive before a quiet connection wakes anybody.
const quietBytes = 64 << 10

// alarm switches the wake-ups of a connection.
type alarm struct {
	conn    syscall.RawConn
	off, on func(fd uintptr)
}

func newAlarm(c syscall.Conn) *alarm {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(bytes int) func(uintptr) {
		return func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes) }
	}
	return &alarm{conn: raw, off: set(quietBytes), on: set(1)}
}

// quiet keeps what arrives from waking the process, where the kernel wakes a
// poller for every packet although nobody waits for it: at a few thousand
// messages a second that costs more than all else. loud ends it and must come
// before the next read.
func (a *alarm) quiet() { a.control(a.off) }

func (a *alarm) loud() { a.control(a.on) }

func (a *alarm) control(set func(fd uintptr)) {
	if a != nil {
		_ = a.conn.Control(set) // fails only on a closed connection, as the read will
	}
}
