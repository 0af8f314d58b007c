package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// check is one condition of readiness; nil means that it holds. It runs beside the other
// checks, in several requests at once.
type check struct {
	name string
	run  func(context.Context) error
}

// checkTimeout bounds the checks of /readyz.
const checkTimeout = 2 * time.Second

// healthMux serves /metrics, /livez (the process answers) and /readyz (every
// check holds; 503 with the reasons otherwise).
func healthMux(gatherer prometheus.Gatherer, checks []check) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		report, ready := runChecks(r.Context(), checks)
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, report)
	})
	return mux
}

// runChecks runs all checks at once, so that some that hang take no longer than one. It
// returns "ok" or the error per check, and whether all are ok.
func runChecks(ctx context.Context, checks []check) (report map[string]string, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	faults := make([]error, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { faults[i] = c.run(ctx) })
	}
	all.Wait()
	report, ready = make(map[string]string, len(checks)), true
	for i, c := range checks {
		report[c.name] = "ok"
		if err := faults[i]; err != nil {
			report[c.name], ready = err.Error(), false
		}
	}
	return report, ready
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the client is gone: nobody is left to tell
}

// serveHTTP serves on l until ctx ends, then for at most a second more.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		_ = s.Close() // whoever still reads a page has had a second
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listenHTTP listens on address; "" means off and gives nil.
func listenHTTP(ctx context.Context, address, what string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics.%s: %w (another process has the address; set another one or `off`)", what, err)
	}
	return l, nil
}
