package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/notify"
	"sluice/notify/internal/receivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token    = "tok-hunter2"
	query    = "que-hunter3"
	field    = "fie-hunter4"
	password = "pas-hunter5"
)

var secrets = []string{token, query, field, password}

func receiver(t testing.TB, base string, timeout time.Duration) notify.Sender {
	t.Helper()
	base = strings.Replace(base, "://", "://user:"+password+"@", 1)
	r, err := New(Config{
		URL:     notify.NewSecret(base + "/hook/" + token + "?key=" + query),
		Header:  map[string]notify.Secret{"X-Token": notify.NewSecret(field), "content-type": notify.NewSecret("text/plain")},
		Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	receivertest.HTTP(t, receiver, secrets...)
}

func ok(http.ResponseWriter, *http.Request) {}

func TestReceiver_PostsTheReport(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	r := &notify.Report{
		ID: "r1", Facility: "plant-1", At: at, Summary: "plant-1: 1 device down",
		Storm:      &notify.Storm{Devices: 12, Alive: 20, First: at, Last: at.Add(time.Second)},
		Outages:    []notify.Outage{{Device: "dev-1", Cause: "lwt", Down: at, Lost: at.Add(-time.Minute)}, {Device: "dev-2", Cause: "grace", Down: at, Back: at}},
		Flapping:   []notify.Flap{{Device: "dev-3", Cause: "silent", Down: at, Outages: 4}},
		Recoveries: []notify.Recovery{{Device: "dev-4", Cause: "data", Down: at, Back: at}},
		Steady:     []notify.Steady{{Device: "dev-5", State: "up"}},
		Restarts:   []notify.Restart{{Noticed: at, Started: at, Until: at}},
	}
	server := receivertest.Serve(t, ok)
	if err := receiver(t, server.URL, 0).Send(t.Context(), &notify.Part{ID: "r1", Text: "the text", Report: r}); err != nil {
		t.Fatal(err)
	}
	seen, got := server.Only(t)
	const stamp = "2025-01-02T03:04:05.6Z"
	want := map[string]any{
		"id": "r1", "facility": "plant-1", "at": stamp, "summary": "plant-1: 1 device down", "text": "the text",
		"storm": map[string]any{"devices": 12.0, "alive": 20.0, "first_down_at": stamp, "last_down_at": "2025-01-02T03:04:06.6Z"},
		"outages": []any{
			map[string]any{"device": "dev-1", "cause": "lwt", "down_at": stamp, "lost_at": "2025-01-02T03:03:05.6Z"},
			map[string]any{"device": "dev-2", "cause": "grace", "down_at": stamp, "back_at": stamp},
		},
		"flapping":   []any{map[string]any{"device": "dev-3", "cause": "silent", "down_at": stamp, "outages": 4.0}},
		"recoveries": []any{map[string]any{"device": "dev-4", "cause": "data", "down_at": stamp, "back_at": stamp}},
		"steady":     []any{map[string]any{"device": "dev-5", "state": "up"}},
		"restarts":   []any{map[string]any{"noticed_at": stamp, "started_at": stamp, "until": stamp}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if seen.Path != "/hook/"+token || seen.Header.Get("X-Token") != field {
		t.Errorf("got path %s, header %v", seen.Path, seen.Header)
	}
	if got := seen.Header.Get("Authorization"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("got authorization %q, want that of the URL", got)
	}
}

func TestReceiver_ListsAtMost1000Devices(t *testing.T) {
	t.Parallel()
	r := &notify.Report{ID: "r1"}
	for i := range 900 {
		r.Outages = append(r.Outages, notify.Outage{Device: fmt.Sprint("down-", i)})
		r.Recoveries = append(r.Recoveries, notify.Recovery{Device: fmt.Sprint("back-", i)})
	}
	server := receivertest.Serve(t, ok)
	if err := receiver(t, server.URL, 0).Send(t.Context(), &notify.Part{ID: "r1", Report: r}); err != nil {
		t.Fatal(err)
	}
	_, body := server.Only(t)
	outages, recoveries := body["outages"].([]any), body["recoveries"].([]any)
	if len(outages) != 900 || len(recoveries) != 100 || body["more"] != 800.0 {
		t.Errorf("got %d and %d devices and %v more, want 900, 100 and 800", len(outages), len(recoveries), body["more"])
	}
}

func TestSendTest_SaysThatItIsOne(t *testing.T) {
	t.Parallel()
	server := receivertest.Serve(t, ok)
	if err := notify.SendTest(t.Context(), receiver(t, server.URL, 0), "plant-1"); err != nil {
		t.Fatal(err)
	}
	if _, body := server.Only(t); body["test"] != true || body["facility"] != "plant-1" {
		t.Errorf("got %v", body)
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	const good = "https://example.com/" + token
	for name, c := range map[string]struct {
		url          string
		field, value string
		says         string
	}{
		"no URL":             {says: "no URL"},
		"no host":            {url: "https:///" + token, says: "and a host"},
		"other scheme":       {url: "ftp://example.com/" + token, says: "use http:// or https://"},
		"damaged":            {url: "https://example.com/%zz" + token, says: "use http:// or https://"},
		"field without name": {url: good, says: "not the name", value: field},
		"field with a space": {url: good, field: "X Token", value: field, says: `header "X Token": not the name`},
		"value with a line":  {url: good, field: "X-Token", value: field + "\n", says: `header "X-Token": the value has a control character`},
	} {
		config := Config{URL: notify.NewSecret(c.url)}
		if c.value != "" {
			config.Header = map[string]notify.Secret{c.field: notify.NewSecret(c.value)}
		}
		_, err := New(config)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want ..%s..", name, err, c.says)
		}
		receivertest.NoSecret(t, err, secrets)
		receivertest.NoSecret(t, config, secrets)
	}
}
