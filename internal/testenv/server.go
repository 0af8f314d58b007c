package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Server is an Instance that belongs to a test: what goes wrong with it fails
// the test, so its methods return no errors. Call them from the test's own
// goroutine, as t.Fatal demands. It is stopped and removed when the test ends.
type Server struct {
	*Instance

	t testing.TB
}

// Mosquitto starts a broker of the test's own: anonymous unless Users is given.
func Mosquitto(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return newServer(t, mosquittoKind{}, opts)
}

// Redis starts a Redis of the test's own.
func Redis(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return newServer(t, redisKind{}, opts)
}

// Postgres starts a PostgreSQL cluster of the test's own, for tests that stop or
// kill it. Tests that only need a database call Database, which is cheaper.
func Postgres(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return newServer(t, postgresKind{}, opts)
}

func newServer(t testing.TB, k kind, opts []Option) *Server {
	t.Helper()
	space, err := workspace()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	dir, err := space.newDir(k.name())
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	inst, err := launch(t.Context(), k, dir, opts)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	s := &Server{Instance: inst, t: t}
	t.Cleanup(s.close)
	return s
}

// close ends the server for good and shows its log if the test failed.
func (s *Server) close() {
	if err := s.Instance.Close(); err != nil {
		s.t.Errorf("testenv: %v", err)
	}
	if s.t.Failed() {
		s.t.Logf("end of %s:\n%s", filepath.Base(s.LogPath()), s.LogTail())
	}
}

// Start starts the server again, on the same port and data, after Stop or Kill,
// and returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.must(s.Instance.Start(s.t.Context()))
}

// Stop sends sig and returns when the server has exited.
func (s *Server) Stop(sig syscall.Signal) {
	s.t.Helper()
	s.must(s.Instance.Stop(sig))
}

// Kill ends the server and its children with SIGKILL and returns when they are
// gone.
func (s *Server) Kill() {
	s.t.Helper()
	s.must(s.Instance.Kill())
}

// Pause stops the server and its children with SIGSTOP: connections stay open,
// nothing answers.
func (s *Server) Pause() {
	s.t.Helper()
	s.must(s.Instance.Pause())
}

// Resume lets a paused server continue.
func (s *Server) Resume() {
	s.t.Helper()
	s.must(s.Instance.Resume())
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("testenv: %v", err)
	}
}

// tail returns at most the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
