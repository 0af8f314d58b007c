package bench

import (
	"net"
	"syscall"
)

// setLowWater makes the reader of a plain TCP connection sleep until that many
// bytes have come, so that one read brings many PUBACKs. The end of the
// connection wakes it too.
func setLowWater(conn net.Conn, bytes int) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil // TLS: bytes are not PUBACKs
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
	})
	if err != nil {
		return err
	}
	return failed
}
