// Package receivertest states as tests what every receiver over HTTP promises.
package receivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/notify"
)

// Maker makes the receiver under test, which posts to base, a URL without a path.
type Maker func(t testing.TB, base string, timeout time.Duration) notify.Sender

// patience is a timeout that no test is to run into.
const patience = 30 * time.Second

// Seen is a request as the server got it.
type Seen struct {
	Method, Path string
	Header       http.Header
	Body         []byte
}

// Server answers every request in the same way and keeps what it was sent.
type Server struct {
	URL string

	mu   sync.Mutex
	seen []Seen
}

// Serve starts a server that ends with the test.
func Serve(t testing.TB, answer http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("body of the request: %v", err)
		}
		s.mu.Lock()
		s.seen = append(s.seen, Seen{r.Method, r.URL.Path, r.Header, body})
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Requests returns what has come so far.
func (s *Server) Requests() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Seen(nil), s.seen...)
}

// Only returns the only request, and its body as JSON.
func (s *Server) Only(t testing.TB) (Seen, map[string]any) {
	t.Helper()
	all := s.Requests()
	if len(all) != 1 {
		t.Fatalf("got %d requests, want 1", len(all))
	}
	var body map[string]any
	if err := json.Unmarshal(all[0].Body, &body); err != nil {
		t.Fatalf("body %s: %v", all[0].Body, err)
	}
	return all[0], body
}

// Part is one that every receiver takes.
func Part() *notify.Part {
	r := &notify.Report{ID: "r1", Facility: "plant-1", Summary: "plant-1: 1 device down", Outages: []notify.Outage{{Device: "dev-1", Cause: "lwt"}}}
	return &notify.Part{ID: "r1-2", Text: "plant-1: 1 device down\n[r1-2]", Report: r}
}

// want is what Send is to return.
type want int

const (
	accepted want = iota
	again
	busy
	refused
)

func kindOf(err error) want {
	if _, ok := errors.AsType[*notify.RefusedError](err); ok {
		return refused
	}
	if _, ok := errors.AsType[*notify.BusyError](err); ok {
		return busy
	}
	if err != nil {
		return again
	}
	return accepted
}

func (w want) String() string { return [...]string{"accepted", "again", "busy", "refused"}[w] }

// HTTP runs all tests. None of the secrets may be in what the receiver says.
func HTTP(t *testing.T, maker Maker, secrets ...string) {
	t.Helper()
	t.Run("Answers", func(t *testing.T) { answers(t, maker, secrets) })
	t.Run("Faults", func(t *testing.T) { faults(t, maker, secrets) })
	t.Run("Cancelled", func(t *testing.T) { cancelled(t, maker) })
	t.Run("LeaksNoSecret", func(t *testing.T) {
		t.Parallel()
		NoSecret(t, maker(t, "http://127.0.0.1:1", patience), secrets)
	})
}

func answers(t *testing.T, maker Maker, secrets []string) {
	t.Helper()
	for _, c := range []struct {
		code       int
		retryAfter string
		want       want
		says       string
	}{
		{code: 200, want: accepted},
		{code: 202, want: accepted},
		{code: 204, want: accepted},
		{code: 301, want: refused, says: "redirects are not followed"},
		{code: 307, want: refused, says: "redirects are not followed"},
		{code: 400, want: refused, says: "check that the URL"},
		{code: 401, want: refused, says: "check the secret"},
		{code: 403, want: refused, says: "check the secret"},
		{code: 404, want: refused, says: "check its URL"},
		{code: 408, want: again, says: "408 Request Timeout"},
		{code: 420, want: again, says: "420"},
		{code: 429, want: again, says: "429 Too Many Requests"},
		{code: 429, retryAfter: "7", want: busy, says: "429 Too Many Requests"},
		{code: 500, want: again, says: "500 Internal Server Error"},
		{code: 503, retryAfter: "7", want: busy, says: "503 Service Unavailable"},
	} {
		t.Run(fmt.Sprintf("%d %s", c.code, c.retryAfter), func(t *testing.T) {
			t.Parallel()
			var server *Server
			server = Serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", c.retryAfter)
				w.Header().Set("Location", server.URL+"/elsewhere?was="+r.URL.Path)
				w.WriteHeader(c.code)
				if c.code != http.StatusNoContent {
					fmt.Fprintf(w, "you said %s", r.URL) //nolint:gosec // an echo is what must not get into an error
				}
			})
			err := maker(t, server.URL, patience).Send(t.Context(), Part())
			if got := kindOf(err); got != c.want || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("got %v: %v, want %v: ..%s..", got, err, c.want, c.says)
			}
			if e, ok := errors.AsType[*notify.BusyError](err); ok && e.After != 7*time.Second {
				t.Errorf("got after %v, want 7s", e.After)
			}
			seen, _ := server.Only(t)
			if got := seen.Header.Get("Idempotency-Key"); seen.Method != http.MethodPost || got != "r1-2" {
				t.Errorf("got %s with key %q, want a POST with key r1-2", seen.Method, got)
			}
			if got := seen.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("got type %q", got)
			}
			NoSecret(t, err, secrets)
		})
	}
}

// faults are those of which nobody knows whether the part was accepted.
func faults(t *testing.T, maker Maker, secrets []string) {
	t.Helper()
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		timeout time.Duration
		says    string
	}{
		"timeout": {
			answer:  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			timeout: 50 * time.Millisecond, says: "no answer within 50ms",
		},
		"closed without an answer": {
			answer: raw(func(*http.Request) string { return "" }), timeout: patience, says: "without an answer",
		},
		"no HTTP, an echo": {
			answer: raw(func(r *http.Request) string { return r.URL.String() + " " + r.Header.Get("Authorization") + "\r\n\r\n" }), timeout: patience, says: "broke off",
		},
		"header cut short": {
			answer: raw(func(*http.Request) string { return "HTTP/1.1 200 OK\r\nContent-" }), timeout: patience, says: "broke off",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := Serve(t, c.answer)
			err := maker(t, server.URL, c.timeout).Send(t.Context(), Part())
			if got := kindOf(err); got != again || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v: %v, want again: ..%s..", got, err, c.says)
			}
			server.Only(t) // it was not repeated by itself
			NoSecret(t, err, secrets)
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		err := maker(t, "http://"+closedPort(t), patience).Send(t.Context(), Part())
		if got := kindOf(err); got != again || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %v: %v, want again: connection refused", got, err)
		}
		NoSecret(t, err, secrets)
	})
}

// raw answers without regard to HTTP and closes the connection.
func raw(answer func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, answer(r))
		conn.Close()
	}
}

func closedPort(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// cancelled: what the caller ends is no fault of the receiver.
func cancelled(t *testing.T, maker Maker) {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if err := maker(t, server.URL, patience).Send(ctx, Part()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// NoSecret fails t when v says a secret, however it is printed.
func NoSecret(t testing.TB, v any, secrets []string) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		refuse(t, format, fmt.Sprintf(format, v), secrets)
	}
	var logged bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&logged, nil), slog.NewTextHandler(&logged, nil)} {
		slog.New(h).Info("x", "v", v)
	}
	refuse(t, "slog", logged.String(), secrets)
	if text, err := json.Marshal(v); err == nil {
		refuse(t, "json", string(text), secrets)
	}
}

func refuse(t testing.TB, how, text string, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) || strings.Contains(text, fmt.Sprintf("%x", s)) {
			t.Errorf("%s says the secret %s: %s", how, s, text)
		}
	}
}
