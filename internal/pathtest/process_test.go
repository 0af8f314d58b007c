package pathtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// router is a router process. Its methods are for the test's own goroutine.
type router struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Closer
	log   string // path
	ended chan struct{}
}

// patience bounds every wait of these tests: far more than a slow machine needs.
const patience = 90 * time.Second

// startRouter starts a router process. It is killed when the test ends; then its
// log is shown if the test has failed.
func startRouter(t testing.TB, s settings) *router {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "router-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(os.Args[0])
	// The race detector's last second of every process would be part of each exit.
	cmd.Env = append(os.Environ(), envRouter+"="+string(text), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &router{t: t, cmd: cmd, stdin: stdin, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the state says more
		close(r.ended)
	}()
	t.Cleanup(r.close)
	return r
}

func (r *router) close() {
	if !r.gone() {
		r.signal(syscall.SIGKILL)
		<-r.ended
	}
	_ = r.stdin.Close()
	if r.t.Failed() {
		r.t.Logf("router %d (%v), end of its log:\n%s", r.cmd.Process.Pid, r.cmd.ProcessState, r.logTail())
	}
}

// gone tells whether the process has ended.
func (r *router) gone() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

func (r *router) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Fatalf("router %d: %v: %v", r.cmd.Process.Pid, sig, err)
	}
}

// awaitKilled waits until the router has died of SIGKILL, by whomever.
func (r *router) awaitKilled() {
	r.t.Helper()
	r.await(patience)
	if ws := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
		r.t.Fatalf("router %d ended with %v, want SIGKILL", r.cmd.Process.Pid, r.cmd.ProcessState)
	}
}

// kill ends the router as a power cut would.
func (r *router) kill() {
	r.t.Helper()
	r.signal(syscall.SIGKILL)
	r.awaitKilled()
}

// terminate asks the router to end, and returns how long it took to do so in
// order.
func (r *router) terminate() time.Duration {
	r.t.Helper()
	began := time.Now()
	r.signal(syscall.SIGTERM)
	r.await(patience)
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		r.t.Fatalf("router %d ended with %v, want status 0", r.cmd.Process.Pid, r.cmd.ProcessState)
	}
	return time.Since(began)
}

func (r *router) await(within time.Duration) {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(within):
		r.t.Fatalf("router %d has not ended within %v", r.cmd.Process.Pid, within)
	}
}

// awaitLeading waits until the router reads the broker.
func (r *router) awaitLeading() {
	r.t.Helper()
	r.awaitLog(msgLeading, 1)
}

// Messages of the router's log that tests wait for.
const (
	msgLeading = "reading the broker"
	msgStandby = "standing by: another router reads the broker"
	msgFull    = "queue is full"
)

// awaitLog waits until a text has been logged n times.
func (r *router) awaitLog(text string, n int) {
	r.t.Helper()
	eventually(r.t, patience, func() error {
		if got := r.logged(text); got < n {
			if r.gone() {
				r.t.Fatalf("router %d ended with %v before it logged %q", r.cmd.Process.Pid, r.cmd.ProcessState, text)
			}
			return fmt.Errorf("router %d has logged %q %d times, want %d", r.cmd.Process.Pid, text, got, n)
		}
		return nil
	})
}

// logged counts the lines of the log with a text.
func (r *router) logged(text string) int {
	n := 0
	for _, line := range r.lines() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// loggedAt returns when a text was logged first.
func (r *router) loggedAt(text string) time.Time {
	r.t.Helper()
	for _, line := range r.lines() {
		var entry struct{ Time time.Time }
		if strings.Contains(line, text) && json.Unmarshal([]byte(line), &entry) == nil {
			return entry.Time
		}
	}
	r.t.Fatalf("router %d has not logged %q", r.cmd.Process.Pid, text)
	return time.Time{}
}

func (r *router) lines() []string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return []string{err.Error()}
	}
	return slices.Collect(strings.Lines(string(text)))
}

// logTail returns the last 40 lines of the log.
func (r *router) logTail() string {
	lines := r.lines()
	return filepath.Base(r.log) + "\n" + strings.Join(lines[max(0, len(lines)-40):], "")
}

// eventually calls check 20 times a second until it returns nil, and fails the
// test with its last error when it has not within the given time.
func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		err := check()
		if err == nil {
			return
		}
		if time.Since(began) > within {
			t.Fatalf("not within %v: %v", within, err)
		}
	}
}

// pass waits for d while a fault lasts: the length of the fault is what is
// tested.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
