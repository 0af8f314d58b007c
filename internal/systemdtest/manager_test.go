package systemdtest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/process"
)

// manager is a socket on which a service manager listens to one process. Its methods are
// for the test's own goroutine.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	said []string // everything, in order
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify.sock"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t: t, conn: conn}
}

// env is what the process is to find in its environment.
func (m *manager) env() string { return "NOTIFY_SOCKET=" + m.conn.LocalAddr().String() }

// next returns the next message; false: none has come in time.
func (m *manager) next(within time.Duration) (string, bool) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, err := m.conn.Read(buffer)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", false
	case err != nil:
		m.t.Fatal(err)
	}
	message := string(buffer[:n])
	m.said = append(m.said, message)
	return message, true
}

// await waits until a message has a line that begins so, and returns that line.
func (m *manager) await(begin string) string {
	m.t.Helper()
	for end := time.Now().Add(process.Patience); ; {
		message, ok := m.next(time.Until(end))
		if !ok {
			m.t.Fatalf("got %q, want %s", m.said, begin)
		}
		for line := range strings.SplitSeq(message, "\n") {
			if strings.HasPrefix(line, begin) {
				return line
			}
		}
	}
}

// rest reads what has come until now.
func (m *manager) rest() {
	for ok := true; ok; {
		_, ok = m.next(time.Millisecond)
	}
}

// count counts the messages with a line.
func (m *manager) count(line string) int {
	n := 0
	for _, message := range m.said {
		for l := range strings.SplitSeq(message, "\n") {
			if l == line {
				n++
			}
		}
	}
	return n
}
