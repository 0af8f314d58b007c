package mqtt

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unackedLimit is how long sent bytes may stay unacknowledged by the peer's
// kernel before the connection counts as lost. It also counts while a broker that
// is busy with publishers does not read.
const unackedLimit = 2 * time.Minute

// limitUnacked makes a write into a dead connection fail after unackedLimit
// instead of the kernel's quarter of an hour.
func limitUnacked(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedLimit.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
