package app_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/app"
	"sluice/bench"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
)

var errNotYet = errors.New("not yet")

// startProcess runs a batch-router as a process of its own.
func startProcess(t *testing.T, site *apptest.Site) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-config", site.Path())
	cmd.Env = append(os.Environ(), processEnv+"=1")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func awaitLeading(t *testing.T, site *apptest.Site) {
	t.Helper()
	client := app.NewAdminClient(site.Socket())
	testenv.Eventually(t, 30*time.Second, func() error {
		status, err := client.Status(t.Context())
		if err == nil && !status.Leading {
			err = errNotYet
		}
		return err
	})
}

// terminate sends SIGTERM and returns how long the process took to end well.
func terminate(t *testing.T, cmd *exec.Cmd) time.Duration {
	t.Helper()
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v, want exit status 0", err)
	}
	return time.Since(began)
}

// I12: SIGTERM under load ends the router within 10 s, and nothing is lost or
// doubled.
func TestBatchRouter_TerminatedUnderLoad_StoresEverythingOnce(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	router := startProcess(t, site)
	awaitLeading(t, site)
	b, err := bench.New(bench.Config{
		Address: site.Broker.Addr(), Database: site.Database, Facility: apptest.Facility,
		Devices: 20, Messages: 20_000, Rate: 5_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		result *bench.Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := b.Run(t.Context())
		done <- outcome{result, err}
	}()

	for seen := int64(0); ; {
		rows := site.Count(t, "SELECT count(*) FROM data.sensor")
		if rows >= 16_000 {
			break
		}
		if rows == seen { // the next restart waits for new rows
			continue
		}
		seen = rows
		if took := terminate(t, router); took > 10*time.Second {
			t.Errorf("the end took %v, want at most 10 s", took)
		}
		router = startProcess(t, site)
		awaitLeading(t, site)
	}
	end := <-done
	if end.err != nil {
		t.Fatal(end.err)
	}
	if !end.result.OK() {
		t.Errorf("got %+v", *end.result.Rows)
	}
}

func TestBatchRouter_WrongConfigurationStartsNothing(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Extra: "routes: [{topic: 'a/#/b', sink: senor}]\ngather: soon\n"})
	cmd := exec.Command(os.Args[0], "-config", site.Path())
	cmd.Env = append(os.Environ(), processEnv+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != app.ExitConfig {
		t.Errorf("got %v, want exit status %d", err, app.ExitConfig)
	}
	for _, want := range []string{"sluice.yaml:7: routes[0].topic", "did you mean sensor?", "sluice.yaml:8: gather"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got %s, want %q in it", out, want)
		}
	}
	if _, err := os.Stat(site.Socket()); err == nil {
		t.Error("there is an admin socket")
	}
}
