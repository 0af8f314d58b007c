// Package process runs the test binary once more as a process of its own that a
// test can stop, kill and look at: a router that dies must not take the test with
// it.
//
//	func TestMain(m *testing.M) {
//		if text, ok := os.LookupEnv("ROUTER"); ok {
//			process.DieWithParent()
//			os.Exit(router(text))
//		}
//		m.Run()
//	}
//	...
//	p := process.Start(t, "ROUTER", text)
package process

import (
	"context"
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

	"sluice/internal/testenv"
)

// Process is such a process. Its methods are for the test's own goroutine.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Closer
	log   string // path
	ended chan struct{}
}

// Patience bounds every wait: far more than a slow machine needs.
const Patience = 90 * time.Second

// Start runs the test binary with a variable in its environment, by which its
// TestMain knows what to be. It is killed when the test ends; then its log is
// shown if the test has failed.
func Start(t testing.TB, variable, value string) *Process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "process-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0]) // ended by close, or by the test
	// The race detector's last second of every process would be part of each exit.
	cmd.Env = append(os.Environ(), variable+"="+value, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, cmd: cmd, stdin: stdin, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the state says more
		close(p.ended)
	}()
	t.Cleanup(p.close)
	return p
}

func (p *Process) close() {
	if !p.Gone() {
		p.Signal(syscall.SIGKILL)
		<-p.ended
	}
	_ = p.stdin.Close()
	if p.t.Failed() {
		p.t.Logf("process %d (%v), end of its log:\n%s", p.cmd.Process.Pid, p.cmd.ProcessState, p.logTail())
	}
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Gone tells whether the process has ended.
func (p *Process) Gone() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Signal sends a signal; a process that has ended gets none.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("process %d: %v: %v", p.cmd.Process.Pid, sig, err)
	}
}

// AwaitKilled waits until the process has died of SIGKILL, by whomever.
func (p *Process) AwaitKilled() {
	p.t.Helper()
	p.await(Patience)
	if ws := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
		p.t.Fatalf("process %d ended with %v, want SIGKILL", p.cmd.Process.Pid, p.cmd.ProcessState)
	}
}

// Kill ends the process as a power cut would.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	p.AwaitKilled()
}

// AwaitExit waits until the process has ended by itself and returns its exit status.
func (p *Process) AwaitExit() int {
	p.t.Helper()
	p.await(Patience)
	return p.cmd.ProcessState.ExitCode()
}

// Terminate asks the process to end, and returns how long it took to do so in
// order.
func (p *Process) Terminate() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	p.await(Patience)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Fatalf("process %d ended with %v, want status 0", p.cmd.Process.Pid, p.cmd.ProcessState)
	}
	return time.Since(began)
}

func (p *Process) await(within time.Duration) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		p.t.Fatalf("process %d has not ended within %v", p.cmd.Process.Pid, within)
	}
}

// AwaitLog waits until a text has been logged n times.
func (p *Process) AwaitLog(text string, n int) {
	p.t.Helper()
	testenv.Eventually(p.t, Patience, func() error {
		if got := p.Logged(text); got < n {
			if p.Gone() {
				p.t.Fatalf("process %d ended with %v before it logged %q", p.cmd.Process.Pid, p.cmd.ProcessState, text)
			}
			return fmt.Errorf("process %d has logged %q %d times, want %d", p.cmd.Process.Pid, text, got, n)
		}
		return nil
	})
}

// Logged counts the lines of the log with a text.
func (p *Process) Logged(text string) int {
	n := 0
	for _, line := range p.Lines() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// LoggedAt returns when a text was logged first.
func (p *Process) LoggedAt(text string) time.Time {
	p.t.Helper()
	for _, line := range p.Lines() {
		var entry struct {
			Time time.Time `json:"time"`
		}
		if strings.Contains(line, text) && json.Unmarshal([]byte(line), &entry) == nil {
			return entry.Time
		}
	}
	p.t.Fatalf("process %d has not logged %q", p.cmd.Process.Pid, text)
	return time.Time{}
}

// LastLogged returns a field of the newest line of the log with a text, "" for none.
func (p *Process) LastLogged(text, field string) string {
	for _, line := range slices.Backward(p.Lines()) {
		entry := map[string]any{}
		if strings.Contains(line, text) && json.Unmarshal([]byte(line), &entry) == nil {
			return fmt.Sprint(entry[field])
		}
	}
	return ""
}

// Lines are those of the log.
func (p *Process) Lines() []string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []string{err.Error()}
	}
	return slices.Collect(strings.Lines(string(text)))
}

// logTail returns the last 40 lines of the log.
func (p *Process) logTail() string {
	lines := p.Lines()
	return filepath.Base(p.log) + "\n" + strings.Join(lines[max(0, len(lines)-40):], "")
}

// DieWithParent ends this process, which Start has started, as soon as the test
// is gone: the test holds the other end of standard input.
func DieWithParent() {
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(3)
	}()
}
