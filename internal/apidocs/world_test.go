package apidocs

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/app"
	"sluice/config"
	"sluice/internal/certtest"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// within bounds what must not take long, on a busy machine too.
const within = 60 * time.Second

//go:embed testdata/world.sql
var worldSQL string

// world is a database with something of everything, and what is around it.
type world struct {
	t     testing.TB
	pool  *pgxpool.Pool
	url   string // of the database, for a login that may only read
	certs string // folder
}

// newWorld makes the database and the certificates; roleSQL makes the login api.
func newWorld(t testing.TB, roleSQL string) *world {
	t.Helper()
	w := &world{t: t, url: testenv.Postgres(t).Database(), certs: t.TempDir()}
	_, _, err := postgres.Migrate(t.Context(), w.url)
	must(t, err)
	w.pool, err = postgres.NewPool(t.Context(), w.url)
	must(t, err)
	t.Cleanup(w.pool.Close)
	must(t, postgres.GrantRoles(t.Context(), w.pool))
	w.sql(worldSQL)
	w.sql(roleSQL)
	u, err := url.Parse(w.url)
	must(t, err)
	u.User = url.User("api")
	w.url = u.String()
	w.issue()
	return w
}

func (w *world) sql(statements string) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), statements)
	must(w.t, err)
}

// issue writes the certificates of the server and of clients, good and bad.
func (w *world) issue() {
	ours, other := certtest.New(w.t), certtest.New(w.t)
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	ours.Write(w.t, w.certs, "ca")
	ours.Issue(w.t, w.certs, "api", soon)
	ours.Issue(w.t, w.certs, "analyst", soon, "sluice://client/analyst")
	ours.Issue(w.t, w.certs, "boss", soon, "sluice://client/boss")
	ours.Issue(w.t, w.certs, "stranger", soon, "sluice://client/stranger")
	ours.Issue(w.t, w.certs, "device", soon, "sluice://device/analyst")
	ours.Issue(w.t, w.certs, "expired", past, "sluice://client/analyst")
	other.Issue(w.t, w.certs, "foreign", soon, "sluice://client/analyst")
}

// tls is the part of the configuration that asks for certificates.
func (w *world) tls() string {
	return fmt.Sprintf(`  tls: {cert: %[1]s/api.crt, key: %[1]s/api.key, client_ca: %[1]s/ca.crt}
  clients:
    - {name: analyst, facilities: [plant-1]}
    - {name: boss, facilities: [plant-1, plant-2]}
  http_users:
    - {name: anna, facilities: [plant-1], password: correct horse}
`, w.certs)
}

// endpoints are where an api listens, host:port.
type endpoints struct{ grpc, http string }

// start runs an api on the database until the test ends, and returns when it is
// ready; more is YAML of the section api.
func (w *world) start(more string) endpoints {
	w.t.Helper()
	s, pages := endpoints{freeAddress(w.t), freeAddress(w.t)}, freeAddress(w.t)
	path := filepath.Join(w.t.TempDir(), "sluice.yaml")
	text := fmt.Sprintf("store: {postgres: {url: %q}}\nmetrics: {api: %q}\nshutdown_timeout: 1s\napi:\n  grpc: %q\n  http: %q\n%s",
		w.url, pages, s.grpc, s.http, more)
	must(w.t, os.WriteFile(path, []byte(text), 0o600))
	c, err := config.Load(path, nil, app.APIConfig()...)
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.NewAPI(c, slog.New(slog.NewTextHandler(w.t.Output(), nil))).Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("api: %v", err)
		}
	})
	testenv.Eventually(w.t, within, func() error { return ready(w.t.Context(), pages) })
	return s
}

func ready(ctx context.Context, pages string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+pages+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("readyz: %s", resp.Status)
	}
	return nil
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}
