package app_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/app"
	"sluice/config"
)

// receivers reads a section `notify`.
func receivers(t *testing.T, section string) []config.Notify {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(path, []byte("notify:\n"+section), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, nil, config.Only("notify"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Notify
}

func TestTestReceivers(t *testing.T) {
	t.Parallel()
	posted := make(chan string, 1)
	stub := http.NewServeMux()
	stub.HandleFunc("/hunter1/v3/bots/post", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posted <- string(body)
	})
	stub.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	stub.HandleFunc("/gone/hunter2", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGone)
		fmt.Fprint(w, "hunter2 was deleted")
	})
	server := httptest.NewServer(stub)
	defer server.Close()

	var log bytes.Buffer
	got := app.TestReceivers(t.Context(), "plant-1", receivers(t, strings.ReplaceAll(`
  - {kind: groupme, name: bot, bot_id: hunter3, url: BASE/hunter1}
  - {kind: webhook, name: busy, url: BASE/busy}
  - {kind: webhook, name: gone, url: "BASE/gone/hunter2?token=hunter4"}
  - {kind: log}
`, "BASE", server.URL)), slog.New(slog.NewTextHandler(&log, nil)))
	want := []app.ReceiverResult{
		{Name: "bot", Kind: "groupme"},
		{Name: "busy", Kind: "webhook", Error: "it answered 503 Service Unavailable"},
		{Name: "gone", Kind: "webhook", Error: "it answered 410 Gone: check its URL, and the id of the bot if it is one"},
		{Name: "log", Kind: "log"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	const text = "This is a test of the notifications of plant-1"
	if body := <-posted; !strings.Contains(body, text) {
		t.Errorf("got %s at GroupMe, want %s", body, text)
	}
	if !strings.Contains(log.String(), text) || !strings.Contains(log.String(), "receiver=log") {
		t.Errorf("got log %s, want the message and the receiver", &log)
	}
	if all := fmt.Sprint(got, &log); strings.Contains(all, "hunter") {
		t.Errorf("a secret is told: %s", all)
	}
}

func TestTestReceivers_WithoutAny(t *testing.T) {
	t.Parallel()
	if got := app.TestReceivers(t.Context(), "plant-1", nil, slog.New(slog.DiscardHandler)); got == nil || len(got) > 0 {
		t.Errorf("got %#v, want a list that JSON writes as []", got)
	}
}

// One that does not answer holds no other up: here the first answers only when
// the second was asked.
func TestTestReceivers_AllAtTheSameTime(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	stub := http.NewServeMux()
	stub.HandleFunc("/first", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-asked:
		case <-r.Context().Done():
		}
	})
	stub.HandleFunc("/second", func(http.ResponseWriter, *http.Request) { close(asked) })
	server := httptest.NewServer(stub)
	defer server.Close()
	got := app.TestReceivers(t.Context(), "plant-1", receivers(t, strings.ReplaceAll(`
  - {kind: webhook, name: first, url: BASE/first}
  - {kind: webhook, name: second, url: BASE/second}
`, "BASE", server.URL)), slog.New(slog.DiscardHandler))
	for _, r := range got {
		if r.Error != "" {
			t.Errorf("%s: got %s", r.Name, r.Error)
		}
	}
}

func TestTestReceivers_TimeoutOfTheConfiguration(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer server.Close()
	defer close(done)
	before := time.Now()
	got := app.TestReceivers(t.Context(), "plant-1",
		receivers(t, "  - {kind: webhook, timeout: 100ms, url: "+server.URL+"}\n"), slog.New(slog.DiscardHandler))
	if want := "no answer within 100ms"; got[0].Error != want {
		t.Errorf("got %q after %v, want %q", got[0].Error, time.Since(before), want)
	}
}

func TestTestReceivers_KindThatIsNone(t *testing.T) {
	t.Parallel()
	got := app.TestReceivers(t.Context(), "plant-1", []config.Notify{{Kind: "pigeon", Name: "p"}}, slog.New(slog.DiscardHandler))
	if want := `kind "pigeon" is unknown`; got[0].Error != want {
		t.Errorf("got %q, want %q", got[0].Error, want)
	}
}
