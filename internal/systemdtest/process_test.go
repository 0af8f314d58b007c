package systemdtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/process"
	"sluice/internal/testenv"
)

// newCommand makes a command that is a service, with more in its environment.
func newCommand(t *testing.T, service string, env, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	// The race detector's last second of every process would be part of each exit.
	cmd.Env = append(append(os.Environ(), serviceEnv+"="+service, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE")), env...)
	stdin, err := cmd.StdinPipe() // the process lives as long as this is open
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close() })
	return cmd
}

// start runs a service until the test ends; its log is the test's.
func start(t *testing.T, service string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := newCommand(t, service, env, args)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// signalTo sends a signal to a process.
func signalTo(t *testing.T, cmd *exec.Cmd, sig syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// awaitExit returns the exit status of a process.
func awaitExit(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	late := time.AfterFunc(process.Patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// result is what a command has said.
type result struct {
	status         int
	stdout, stderr string
	took           time.Duration
}

// healthcheck runs the -healthcheck of a service.
func healthcheck(t *testing.T, service, path string, env ...string) result {
	t.Helper()
	cmd := newCommand(t, service, env, []string{"-healthcheck", "-config", path})
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	status := awaitExit(t, cmd)
	return result{status, stdout.String(), stderr.String(), time.Since(began)}
}

// newSite is the servers and the configuration of all services, each of which has an
// address for its pages.
func newSite(t *testing.T, database string) *apptest.Site {
	t.Helper()
	site := apptest.New(t, apptest.Site{Database: database})
	text, err := os.ReadFile(site.Path())
	if err != nil {
		t.Fatal(err)
	}
	pages := []byte("metrics: {api: \"" + testenv.Address(t) + "\", clock: \"" + testenv.Address(t) + "\", device: \"" + testenv.Address(t) +
		"\", batch_router: \"" + site.Metrics + "\"}\napi: {grpc: \"" + testenv.Address(t) + "\", http: off}\n")
	before, _, found := bytes.Cut(text, []byte("metrics:"))
	if !found {
		t.Fatalf("no metrics in %s", text)
	}
	writeFile(t, site.Path(), append(before, pages...))
	return site
}

func writeFile(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func awaitLeading(t *testing.T, site *apptest.Site) {
	t.Helper()
	testenv.Eventually(t, process.Patience, func() error {
		status, err := app.NewAdminClient(site.Socket()).Status(t.Context())
		if err == nil && !status.Leading {
			err = errors.New("it does not read the broker yet")
		}
		return err
	})
}
