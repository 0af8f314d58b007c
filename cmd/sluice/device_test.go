package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/app"
)

func named(names ...string) []app.DeviceStatus {
	list := make([]app.DeviceStatus, len(names))
	for i, name := range names {
		list[i] = app.DeviceStatus{Device: name, State: "up"}
	}
	return list
}

func namesOf(list []app.DeviceStatus) []string {
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = d.Device
	}
	return names
}

func TestFirstDevices(t *testing.T) {
	t.Parallel()
	const n, page = 1000, 30
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("d%04d", i))
	}
	for _, limit := range []int{1, 2, 29, 30, 500, n - 1, n, n + 1, maxList} {
		shuffled := append(slices.Clone(all), all[:100]...) // a store may bring some twice
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		first := &firstDevices{limit: limit}
		for names := range slices.Chunk(shuffled, page) {
			first.add(named(names...))
			if held := len(first.Devices); held > 2*limit+page {
				t.Fatalf("limit %d: holds %d devices", limit, held)
			}
		}
		first.cut()
		if got, want := namesOf(first.Devices), all[:min(limit, n)]; !slices.Equal(got, want) {
			t.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
		if want := limit < n; first.More != want {
			t.Errorf("limit %d: got more %t, want %t", limit, first.More, want)
		}
	}
}

// serveDevices is the admin socket of a router with these pages.
func serveDevices(t *testing.T, pages ...[]app.DeviceStatus) *app.AdminClient {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "admin.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // "" is 0
		if n >= len(pages) {
			http.Error(w, "no such page", http.StatusInternalServerError)
			return
		}
		page := app.DevicePage{Devices: pages[n]}
		if n+1 < len(pages) {
			page.Next = strconv.Itoa(n + 1)
		}
		_ = json.NewEncoder(w).Encode(page)
	})}
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return app.NewAdminClient(path)
}

func TestListDevices_ReadsEveryPage(t *testing.T) {
	t.Parallel()
	down := app.DeviceStatus{Device: "b2", State: "down"}
	client := serveDevices(t, named("c", "b1"), nil, append(named("b3"), down), named("a"))
	for _, tt := range []struct {
		state string
		limit int
		want  string
		more  bool
	}{
		{"", 10, "a b1 b2 b3 c", false},
		{"", 5, "a b1 b2 b3 c", false},
		{"", 3, "a b1 b2", true},
		{"up", 10, "a b1 b3 c", false},
		{"down", 1, "b2", false},
		{"suspect", 1, "", false},
	} {
		first, err := listDevices(t.Context(), client, tt.state, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(namesOf(first.Devices), " "); got != tt.want || first.More != tt.more {
			t.Errorf("state %q, limit %d: got %q, more %t; want %q, more %t", tt.state, tt.limit, got, first.More, tt.want, tt.more)
		}
	}
}

func TestListDevices_TellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	if _, err := listDevices(t.Context(), serveDevices(t), "", 10); err == nil || err.Error() != "no such page" {
		t.Errorf("got %v, want the router's words", err)
	}
}

func TestSinceAndCause(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	for name, tt := range map[string]struct {
		device app.DeviceStatus
		since  time.Time
		cause  string
	}{
		"never connected":               {app.DeviceStatus{State: "up"}, time.Time{}, "-"},
		"connected":                     {app.DeviceStatus{State: "up", Connected: at(1)}, at(1), "-"},
		"back by a connect":             {app.DeviceStatus{State: "up", Connected: at(3), Down: at(2), Cause: "lwt"}, at(3), "-"},
		"back by a reading":             {app.DeviceStatus{State: "up", Connected: at(1), Down: at(2), Cause: "lwt"}, time.Time{}, "-"},
		"up, may become silent":         {app.DeviceStatus{State: "up", Connected: at(1), Due: "silent"}, at(1), "silent"},
		"suspect":                       {app.DeviceStatus{State: "suspect", Lost: at(5), Due: "lwt", Connected: at(1)}, at(5), "lwt"},
		"suspect again after an outage": {app.DeviceStatus{State: "suspect", Lost: at(5), Due: "lwt", Down: at(2), Cause: "grace"}, at(5), "lwt"},
		"down":                          {app.DeviceStatus{State: "down", Lost: at(5), Down: at(6), Cause: "grace"}, at(6), "grace"},
	} {
		if got := since(tt.device); !got.Equal(tt.since) {
			t.Errorf("%s: got since %v, want %v", name, got, tt.since)
		}
		if got := cause(tt.device); got != tt.cause {
			t.Errorf("%s: got cause %s, want %s", name, got, tt.cause)
		}
	}
}
