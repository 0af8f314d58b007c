package systemdtest

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/process"
	"sluice/internal/testenv"
)

// limit bounds a -healthcheck: 3 s, and what a busy machine needs to start a process.
const limit = 10 * time.Second

// check compares what a -healthcheck has said; want "" is ready.
func (r result) check(want string) error {
	switch {
	case want == "" && (r.status != app.ExitOK || r.stdout != "ready\n" || r.stderr != ""):
		return fmt.Errorf("got %+v, want ready", r)
	case want == "":
		return nil
	case r.status != app.ExitFailed || !strings.Contains(r.stderr, want) || strings.Count(r.stderr, "\n") != 1 || r.stdout != "":
		return fmt.Errorf("got %+v, want exit status %d and one line with %q", r, app.ExitFailed, want)
	}
	return nil
}

func TestHealthcheck_SaysWhatIsAway(t *testing.T) {
	t.Parallel()
	database := testenv.Postgres(t)
	site := newSite(t, database.URL())
	site.Migrate(t)
	router := start(t, "batch-router", nil, "-config", site.Path())
	await := func(want string) {
		t.Helper()
		testenv.Eventually(t, process.Patience, func() error {
			r := healthcheck(t, "batch-router", site.Path())
			if r.took > limit {
				t.Errorf("it took %v, want at most %v", r.took, limit)
			}
			return r.check(want)
		})
	}
	await("")
	database.Kill()
	await("batch-router: not ready: database: ")
	database.Start()
	await("")
	database.Pause() // it hangs: that is named in time, too
	await("batch-router: not ready: database: ")
	database.Resume()
	site.Redis.Pause() // three checks hang, at once
	await("queue: ")
	site.Redis.Resume()
	await("")
	signalTo(t, router, syscall.SIGSTOP)
	await("no answer at metrics.batch_router (" + site.Metrics + ") within 3s")
	signalTo(t, router, syscall.SIGCONT)
	await("")
	signalTo(t, router, syscall.SIGTERM)
	if status := awaitExit(t, router); status != app.ExitOK {
		t.Errorf("got exit status %d", status)
	}
	await("connection refused")
}

func TestHealthcheck_EveryService(t *testing.T) {
	t.Parallel()
	site := newSite(t, "")
	for name := range services() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := "metrics." + strings.ReplaceAll(name, "-", "_")
			if err := healthcheck(t, name, site.Path()).check(name + ": not ready: no answer at " + key + " ("); err != nil {
				t.Error(err)
			}
			start(t, name, nil, "-config", site.Path())
			testenv.Eventually(t, process.Patience, func() error { return healthcheck(t, name, site.Path()).check("") })
		})
	}
}

// It needs one key of the configuration: no secret, no server, no facility.
func TestHealthcheck_ReadsItsAddressOnly(t *testing.T) {
	t.Parallel()
	site := newSite(t, "")
	start(t, "batch-router", nil, "-config", site.Path())
	_, port, _ := strings.Cut(site.Metrics, ":")
	for _, host := range []string{"", "0.0.0.0", "[::]", "127.0.0.1", "localhost"} {
		text := fmt.Sprintf("metrics: {batch_router: \"%s:%s\"}\nstore: {postgres: {password_file: /nowhere}}\n", host, port)
		path := writeFile(t, filepath.Join(t.TempDir(), "sluice.yaml"), []byte(text))
		testenv.Eventually(t, process.Patience, func() error { return healthcheck(t, "batch-router", path).check("") })
	}
}

func TestHealthcheck_CannotAsk(t *testing.T) {
	t.Parallel()
	redis := testenv.Redis(t)
	for _, tt := range []struct {
		name, text string
		status     int
		want       string
	}{
		{"off", "metrics: {batch_router: off}\n", app.ExitFailed, "metrics.batch_router is off: there is no page to ask"},
		{"any port", "metrics: {batch_router: \":0\"}\n", app.ExitFailed, "metrics.batch_router: port 0"},
		{"not a service", fmt.Sprintf("metrics: {batch_router: %q}\n", redis.Addr()), app.ExitFailed, "no answer at metrics.batch_router"},
		{"bad address", "metrics: {batch_router: nowhere}\n", app.ExitConfig, "sluice.yaml:1: metrics.batch_router"},
		{"unknown key", "metric: {}\n", app.ExitConfig, "did you mean metrics?"},
		{"no file", "", app.ExitConfig, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sluice.yaml")
			if tt.text != "" {
				writeFile(t, path, []byte(tt.text))
			}
			r := healthcheck(t, "batch-router", path)
			if r.status != tt.status || !strings.Contains(r.stderr, tt.want) || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("got %+v, want exit status %d and %q", r, tt.status, tt.want)
			}
		})
	}
}
