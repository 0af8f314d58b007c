package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports come from below the range that the system takes for outgoing
// connections: a client that retries against a killed server inside that range
// may be given the server's port as its own, and connect to itself.
const (
	firstPort = 10000
	lastPort  = 29999
)

// port is a loopback port that no other test process takes while it is held,
// also while its server is down. A lock on a file holds it, so that it is free
// again however the process ends.
type port struct {
	number int
	lock   *os.File
}

// reservePort takes a free port.
func reservePort() (*port, error) {
	dir := filepath.Join(os.TempDir(), "sluice-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	_ = os.Chmod(dir, 0o777) // for other users; theirs already if it fails
	for range 1000 {
		number := firstPort + rand.IntN(lastPort-firstPort+1)
		lock, err := lockFile(filepath.Join(dir, strconv.Itoa(number)))
		if err != nil {
			continue // another process has it
		}
		if free(number) {
			return &port{number: number, lock: lock}, nil
		}
		_ = lock.Close()
	}
	return nil, errors.New("no free port found")
}

func (p *port) release() { _ = p.lock.Close() }

// lockFile creates path if need be and locks it until it is closed.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// free reports whether a server can listen on the port.
func free(number int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", number))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Address returns a loopback host:port for a server that the test runs itself. No
// other test process takes it until the test ends, also while the server is down.
func Address(t testing.TB) string {
	t.Helper()
	p, err := reservePort()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(p.release)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number))
}
