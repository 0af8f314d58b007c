package pythontest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"sluice/app"
	"sluice/config"
)

// service is an api that runs in this process, restartable at its address.
type service struct {
	config         *config.Config
	log            *slog.Logger
	address, pages string

	cancel context.CancelFunc
	done   chan error
}

// startAPI runs an api on a database until the test ends; more is YAML of the
// section api.
func startAPI(t testing.TB, url, more string) *service {
	t.Helper()
	s := &service{address: freeAddress(t), pages: freeAddress(t), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	// Streams that are open at the end are cut off at once.
	text := fmt.Sprintf("store: {postgres: {url: %q}}\nmetrics: {api: %q}\nshutdown_timeout: 10ms\napi:\n  grpc: %q\n  http: off%s\n",
		url, s.pages, s.address, more)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	var err error
	s.config, err = config.Load(path, nil, app.APIConfig()...)
	must(t, err)
	must(t, s.start(t.Context()))
	t.Cleanup(func() { _ = s.stop() })
	return s
}

// start returns when the api answers.
func (s *service) start(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	s.cancel, s.done = cancel, done
	go func() { done <- app.NewAPI(s.config, s.log).Run(running); close(done) }()
	ctx, end := context.WithTimeout(ctx, 30*time.Second)
	defer end()
	for {
		status, _, err := s.page(ctx, "/readyz")
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case err := <-done:
			return fmt.Errorf("the api ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("the api is not ready: %d, %w", status, errors.Join(err, ctx.Err()))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop cuts off what is open.
func (s *service) stop() error {
	s.cancel()
	return <-s.done
}

func (s *service) restart(ctx context.Context) error {
	if err := s.stop(); err != nil {
		return err
	}
	return s.start(ctx)
}

var streamsLine = regexp.MustCompile(`(?m)^sluice_api_streams (\d+)$`)

// streams returns how many streams are open.
func (s *service) streams(ctx context.Context) (int, error) {
	_, text, err := s.page(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	m := streamsLine.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no %s in the metrics", streamsLine)
	}
	return strconv.Atoi(m[1])
}

func (s *service) page(ctx context.Context, path string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.pages+path, nil)
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}
