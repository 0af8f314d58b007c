package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/api"
	"sluice/app"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// webServer is an api over HTTP that runs in this process.
type webServer struct {
	addr, url string
	stop      func() error // ends it and waits
}

// startHTTP runs an api on pool until the test ends.
func startHTTP(t testing.TB, pool *pgxpool.Pool, c api.Config) *webServer {
	t.Helper()
	c.Store, c.Unavailable = app.APIStore(pool), postgres.Unavailable
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.New(c).ServeOverHTTP(ctx, l); close(done) }()
	s := &webServer{addr: l.Addr().String(), url: "http://" + l.Addr().String(), stop: func() error { cancel(); return <-done }}
	if c.TLS != nil {
		s.url = "https://" + s.addr
	}
	t.Cleanup(func() { _ = s.stop() })
	return s
}

// newWeb returns an api over HTTP without TLS, on a fresh database.
func newWeb(t testing.TB, n int, facilities ...string) (*webServer, *pgxpool.Pool) {
	t.Helper()
	pool := newDatabase(t, testenv.Database(t), n, facilities...)
	return startHTTP(t, pool, api.Config{EventPoll: 20 * time.Millisecond}), pool
}

// request sends a request; the answer's body is closed when the test ends.
func request(t testing.TB, client *http.Client, method, url string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// newBrowser returns a client with connections of its own.
func newBrowser(t testing.TB, transport *http.Transport) *http.Client {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// fault is an error as HTTP clients see it.
type fault struct {
	Code    int
	Message string
}

func (s *webServer) get(t testing.TB, path string, header http.Header) (int, string) {
	t.Helper()
	resp := request(t, newBrowser(t, &http.Transport{}), http.MethodGet, s.url+path, header)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func wantFault(t testing.TB, what string, status int, body string, wantStatus int, wantText string) {
	t.Helper()
	var f fault
	if err := json.Unmarshal([]byte(body), &f); err != nil || status != wantStatus || f.Code == 0 || !strings.Contains(f.Message, wantText) {
		t.Errorf("%s: got %d, %s, want %d and %q", what, status, body, wantStatus, wantText)
	}
}

func TestHTTP_WithoutTLS_AnswersLoopbackNamesOnly(t *testing.T) {
	t.Parallel()
	s, _ := newWeb(t, 3, "plant-1")
	for host, want := range map[string]int{
		"":                       http.StatusOK, // as dialled
		"localhost":              http.StatusOK,
		"LOCALHOST:3001":         http.StatusOK,
		"127.0.0.1":              http.StatusOK,
		"127.9.9.9:1":            http.StatusOK,
		"[::1]:3001":             http.StatusOK,
		"evil.example":           http.StatusMisdirectedRequest,
		"evil.example:3001":      http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example": http.StatusMisdirectedRequest,
		"localhost.evil.example": http.StatusMisdirectedRequest,
		"10.0.0.1":               http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/v1/sensor", "/v1/devices", "/", "/sluice.v1.SluiceService/ListDevices"} {
			method, header := http.MethodGet, http.Header{}
			if strings.Contains(path, "Service") {
				method, header = http.MethodPost, http.Header{"Content-Type": {"application/json"}, "Connect-Protocol-Version": {"1"}}
			}
			if host != "" {
				header.Set("Host", host)
			}
			r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if method == http.MethodGet {
				r.Body, r.ContentLength = nil, 0
			}
			r.Header, r.Host = header, host
			resp, err := newBrowser(t, &http.Transport{}).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("host %q, %s: got %d, want %d: %s", host, path, resp.StatusCode, want, body)
			}
			if want != http.StatusOK && !strings.Contains(string(body), "loopback") {
				t.Errorf("host %q: got %s, want the reason", host, body)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Access-Control-Allow-Origin": ""} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s, header %s: got %q, want %q", path, name, got, want)
				}
			}
		}
	}
}

func TestHTTP_PathsAndMethods(t *testing.T) {
	t.Parallel()
	s, _ := newWeb(t, 3, "plant-1")
	status, body := s.get(t, "/", nil)
	for _, want := range []string{"/v1/sensor\n", "/v1/events\n", "/v1/devices\n", "/v1/dead-letters\n", "/v1/sensor/aggregate\n"} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("/: got %d, %s, want %s", status, body, want)
		}
	}
	status, body = s.get(t, "/v1/nothing", nil)
	wantFault(t, "unknown path", status, body, http.StatusNotFound, "/ lists")
	client := newBrowser(t, &http.Transport{})
	for _, path := range []string{"/v1/sensor", "/v1/events", "/v1/devices"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead} {
			resp := request(t, client, method, s.url+path, nil)
			if resp.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(resp.Header.Get("Allow"), http.MethodGet) {
				t.Errorf("%s %s: got %d, Allow %q", method, path, resp.StatusCode, resp.Header.Get("Allow"))
			}
		}
	}
}

// HTTP/1.0 has no way to tell an answer that was cut from a whole one.
func TestHTTP_OldVersionRefused(t *testing.T) {
	t.Parallel()
	s, _ := newWeb(t, 3, "plant-1")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/sensor HTTP/1.0\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), " 505 ") {
		t.Errorf("got %s, %v, want 505", answer, err)
	}
}
