package systemdtest

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/testenv"
)

func TestNotify_ReadyComesWhenTheRouterIsReady(t *testing.T) {
	t.Parallel()
	site, m := newSite(t, ""), newManager(t)
	site.Redis.Kill()
	router := start(t, "batch-router", []string{m.env()}, "-config", site.Path())
	m.await("STATUS=starting: ")
	if m.count("READY=1") > 0 {
		t.Errorf("got %q: ready without a queue", m.said)
	}
	site.Redis.Start()
	m.await("READY=1")
	if r := healthcheck(t, "batch-router", site.Path()); r.status != app.ExitOK {
		t.Errorf("READY=1, but -healthcheck: %+v", r)
	}

	site.Broker.Kill()
	for !strings.Contains(m.await("STATUS=not ready: "), "broker: ") { // what is away
	}
	site.Broker.Start()
	m.await("STATUS=ready")

	signalTo(t, router, syscall.SIGTERM)
	m.await("STOPPING=1")
	if status := awaitExit(t, router); status != app.ExitOK {
		t.Errorf("got exit status %d", status)
	}
	m.rest()
	if n := m.count("READY=1"); n != 1 {
		t.Errorf("got %d READY=1 in %q, want one", n, m.said)
	}
	if n := m.count("WATCHDOG=1"); n != 0 {
		t.Errorf("got %d WATCHDOG=1 without WATCHDOG_USEC", n)
	}
}

// What ends while it waits for a server has never been ready.
func TestNotify_StoppedBeforeItWasReady(t *testing.T) {
	t.Parallel()
	site, m := newSite(t, ""), newManager(t)
	site.Redis.Kill()
	router := start(t, "batch-router", []string{m.env()}, "-config", site.Path())
	m.await("STATUS=starting: ")
	signalTo(t, router, syscall.SIGTERM)
	m.await("STOPPING=1")
	if status := awaitExit(t, router); status != app.ExitOK {
		t.Errorf("got exit status %d", status)
	}
	m.rest()
	if m.count("READY=1") > 0 {
		t.Errorf("got %q, want no READY=1", m.said)
	}
}

// Every service tells it all, twice in the watchdog's time.
func TestNotify_EveryService(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	site := newSite(t, "")
	for name := range services() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			env := []string{m.env(), fmt.Sprintf("WATCHDOG_USEC=%d", limit.Microseconds())}
			cmd := start(t, name, env, "-config", site.Path())
			m.await("READY=1")
			m.await("WATCHDOG=1")
			began := time.Now()
			for range 6 {
				m.await("WATCHDOG=1")
			}
			// Six halves; one may have come late before, and one be waiting.
			if took := time.Since(began); took < 2*limit {
				t.Errorf("six WATCHDOG=1 within %v, want one in %v", took, limit/2)
			}
			signalTo(t, cmd, syscall.SIGTERM)
			m.await("STOPPING=1")
			if status := awaitExit(t, cmd); status != app.ExitOK {
				t.Errorf("got exit status %d", status)
			}
		})
	}
}

// Half the time in which the manager wants to hear of it, and not much more.
func TestNotify_WatchdogIsFedInTime(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	site, m := newSite(t, ""), newManager(t)
	start(t, "clock", []string{m.env(), fmt.Sprintf("WATCHDOG_USEC=%d", limit.Microseconds())}, "-config", site.Path())
	m.await("READY=1")
	for range 2 {
		began := time.Now()
		m.await("WATCHDOG=1")
		if took := time.Since(began); took > limit*3/4 {
			t.Errorf("nothing for %v, want about %v", took, limit/2)
		}
	}
}

// A watchdog that is meant for another process is not fed.
func TestNotify_WatchdogOfAnotherProcess(t *testing.T) {
	t.Parallel()
	site, m := newSite(t, ""), newManager(t)
	start(t, "clock", []string{m.env(), "WATCHDOG_USEC=20000", "WATCHDOG_PID=1"}, "-config", site.Path())
	m.await("READY=1")
	for ok := true; ok; {
		_, ok = m.next(500 * time.Millisecond)
	}
	if n := m.count("WATCHDOG=1"); n > 0 {
		t.Errorf("got %d WATCHDOG=1", n)
	}
}

// A process that does not answer itself does not feed the watchdog: here its address
// belongs to a server that answers nothing.
func TestNotify_WatchdogOfAProcessThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	site, m := newSite(t, ""), newManager(t)
	env := []string{m.env(), "WATCHDOG_USEC=200000", "SLUICE_METRICS_BATCH_ROUTER=" + site.Redis.Addr()}
	site.Redis.Pause() // so the router waits for it, too
	start(t, "batch-router", env, "-config", site.Path())
	for range 3 {
		if message, ok := m.next(time.Second); ok && !strings.HasPrefix(message, "STATUS=starting: ") {
			t.Errorf("got %q of a process that answers nothing", message)
		}
	}
}

// What ends by itself says why.
func TestNotify_EndsByAnError(t *testing.T) {
	t.Parallel()
	site, m := newSite(t, ""), newManager(t)
	env := []string{m.env(), "SLUICE_METRICS_BATCH_ROUTER=" + site.Broker.Addr()}
	router := start(t, "batch-router", env, "-config", site.Path())
	m.await("STOPPING=1")
	if line := m.await("STATUS=ended: "); !strings.Contains(line, "metrics.batch_router") {
		t.Errorf("got %s, want the key to change", line)
	}
	if status := awaitExit(t, router); status != app.ExitFailed {
		t.Errorf("got exit status %d", status)
	}
}

// With metrics off nobody can be asked: started is ready, and it lives while it runs.
func TestNotify_WithoutPages(t *testing.T) {
	t.Parallel()
	site, m := newSite(t, ""), newManager(t)
	start(t, "clock", []string{m.env(), "WATCHDOG_USEC=100000", "SLUICE_METRICS_CLOCK=off"}, "-config", site.Path())
	m.await("READY=1")
	m.await("WATCHDOG=1")
}

// A manager that is gone is no reason to end.
func TestNotify_ManagerIsGone(t *testing.T) {
	t.Parallel()
	site := newSite(t, "")
	router := start(t, "batch-router", []string{"NOTIFY_SOCKET=/nowhere/notify.sock", "WATCHDOG_USEC=20000"}, "-config", site.Path())
	awaitLeading(t, site)
	testenv.Eventually(t, 30*time.Second, func() error {
		resp, err := http.Get("http://" + site.Metrics + "/livez")
		if err == nil {
			resp.Body.Close()
		}
		http.DefaultClient.CloseIdleConnections()
		return err
	})
	signalTo(t, router, syscall.SIGTERM)
	if status := awaitExit(t, router); status != app.ExitOK {
		t.Errorf("got exit status %d", status)
	}
}
