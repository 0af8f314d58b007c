package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"sluice"
)

// at is a second of the store's time.
func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

func TestDeviceStatus(t *testing.T) {
	t.Parallel()
	const second, offset = 1_000_000, 1_000_000_000 * 1_000_000
	now := sluice.StoreClock{Now: 500 * second, Offset: offset}
	for name, tt := range map[string]struct {
		device sluice.Device
		want   DeviceStatus
	}{
		"nothing but a name": {
			sluice.Device{Name: "d1", State: sluice.DeviceUp},
			DeviceStatus{Device: "d1", State: "up"},
		},
		"up, with a deadline for its silence by the store's clock": {
			sluice.Device{
				Name: "d1", State: sluice.DeviceUp, Generation: 3, Connected: offset + 100*second, Seen: offset + 490*second,
				Silent: 8 * second, Deadline: 510 * second, Due: sluice.CauseSilent,
			},
			DeviceStatus{
				Device: "d1", State: "up", Generation: 3, Connected: at(1_000_000_100), Seen: at(1_000_000_490),
				Deadline: at(1_000_000_510), Due: "silent",
			},
		},
		"suspect, after an outage": {
			sluice.Device{
				Name: "d1", State: sluice.DeviceSuspect, Lost: offset + 480*second, Deadline: 520 * second, Due: sluice.CauseWill,
				Down: offset + 50*second, DownCause: sluice.CauseGrace,
			},
			DeviceStatus{
				Device: "d1", State: "suspect", Lost: at(1_000_000_480), Deadline: at(1_000_000_520), Due: "lwt",
				Down: at(1_000_000_050), Cause: "grace",
			},
		},
		"down and flapping": {
			sluice.Device{
				Name: "d1", State: sluice.DeviceDown, Lost: offset + 398*second, Down: offset + 400*second, DownCause: sluice.CauseWill,
				Flapping: true,
			},
			DeviceStatus{Device: "d1", State: "down", Lost: at(1_000_000_398), Down: at(1_000_000_400), Cause: "lwt", Flapping: true},
		},
		"muted": {
			sluice.Device{Name: "d1", State: sluice.DeviceUp, Muted: offset + 501*second},
			DeviceStatus{Device: "d1", State: "up", Muted: at(1_000_000_501)},
		},
		"muted until now": {
			sluice.Device{Name: "d1", State: sluice.DeviceUp, Muted: offset + 500*second},
			DeviceStatus{Device: "d1", State: "up"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, deviceStatus(&tt.device, now)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	away := errors.New("redis is away")
	if err := known("d1")(true, nil); err != nil {
		t.Errorf("known: got %v", err)
	}
	err := known("d1")(false, nil)
	if !errors.Is(err, errNoDevice) || !strings.Contains(err.Error(), `"d1"; `+"`sluice device list`") {
		t.Errorf("not known: got %v, want the name and advice", err)
	}
	if err := known("d1")(false, away); err != away {
		t.Errorf("store away: got %v, want its error and no other", err)
	}
}

func TestCheckMute(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, time.Second, 2 * time.Hour, 87_600 * time.Hour} {
		if err := CheckMute(d); err != nil {
			t.Errorf("%s: got %v", d, err)
		}
	}
	for _, d := range []time.Duration{1, time.Second - 1, -time.Hour, 87_600*time.Hour + 1} {
		if err := CheckMute(d); err == nil || !strings.Contains(err.Error(), "use 1s to 87600h") {
			t.Errorf("%s: got %v, want what is allowed", d, err)
		}
	}
}

// fakeDevices is a store of one device, which has two pages of which the first is
// empty.
type fakeDevices struct {
	sluice.DeviceStore

	device sluice.Device
	fault  error
}

// fakeCursor has what must be escaped in a URL.
const fakeCursor = "2&cursor=#%20"

func (f *fakeDevices) Clock(context.Context) (sluice.StoreClock, error) {
	return sluice.StoreClock{Now: 1, Offset: 1}, f.fault
}

func (f *fakeDevices) Devices(_ context.Context, cursor string) ([]sluice.Device, string, error) {
	switch cursor {
	case "":
		return nil, fakeCursor, f.fault
	case fakeCursor:
		return []sluice.Device{f.device}, "", f.fault
	}
	return nil, "", errors.New("strange cursor " + cursor)
}

func (f *fakeDevices) ForgetDevice(_ context.Context, name string) (bool, error) {
	return name == f.device.Name, f.fault
}

func (f *fakeDevices) MuteDevice(_ context.Context, name string, d time.Duration) (int64, bool, error) {
	if name != f.device.Name {
		return 0, false, f.fault
	}
	return d.Microseconds(), true, f.fault
}

// adminOn serves the admin socket of an operator and returns a client of it.
func adminOn(t *testing.T, o *operator) *AdminClient {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "admin.sock")
	l, err := listenAdmin(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- serveHTTP(ctx, l, adminMux(o)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return NewAdminClient(path)
}

func TestAdmin_DevicesComeInPages(t *testing.T) {
	t.Parallel()
	client := adminOn(t, &operator{devices: &fakeDevices{device: sluice.Device{Name: "d1", State: sluice.DeviceDown}}})
	first, err := client.Devices(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DevicePage{Devices: []DeviceStatus{}, Next: fakeCursor}, first); diff != "" {
		t.Errorf("first page: -want +got:\n%s", diff)
	}
	last, err := client.Devices(t.Context(), first.Next)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DevicePage{Devices: []DeviceStatus{{Device: "d1", State: "down"}}}, last); diff != "" {
		t.Errorf("last page: -want +got:\n%s", diff)
	}
}

func TestAdmin_ForgetsAndMutesByName(t *testing.T) {
	t.Parallel()
	// No device has such a name; the socket must pass on whatever it is given.
	for _, name := range []string{"d1", "a/b", "50% of #1?", "ü"} {
		client := adminOn(t, &operator{devices: &fakeDevices{device: sluice.Device{Name: name}}})
		if err := client.ForgetDevice(t.Context(), name); err != nil {
			t.Errorf("forget %q: got %v", name, err)
		}
		r, err := client.MuteDevice(t.Context(), name, 90*time.Minute)
		if want := at(5400); err != nil || !r.Until.Equal(want) {
			t.Errorf("mute %q: got %v, %v; want until %v", name, r.Until, err, want)
		}
		if r, err := client.MuteDevice(t.Context(), name, 0); err != nil || !r.Until.IsZero() {
			t.Errorf("unmute %q: got %v, %v; want no time", name, r.Until, err)
		}
	}
}

func TestAdmin_RefusalsOfDevices(t *testing.T) {
	t.Parallel()
	d1 := sluice.Device{Name: "d1"}
	well := adminOn(t, &operator{devices: &fakeDevices{device: d1}})
	away := adminOn(t, &operator{devices: &fakeDevices{device: d1, fault: errors.New("redis is away")}})
	mute := func(c *AdminClient, name string, d time.Duration) error {
		_, err := c.MuteDevice(t.Context(), name, d)
		return err
	}
	list := func(c *AdminClient) error {
		_, err := c.Devices(t.Context(), "")
		return err
	}
	for _, tt := range []struct {
		what string
		err  error
		want string
	}{
		{"forget an unknown one", well.ForgetDevice(t.Context(), "d2"), `no such device as "d2"`},
		{"mute an unknown one", mute(well, "d2", time.Hour), `no such device as "d2"`},
		{"mute for too short", mute(well, "d1", time.Microsecond), "use 1s to 87600h"},
		{"forget without a store", away.ForgetDevice(t.Context(), "d1"), "redis is away"},
		{"mute without a store", mute(away, "d1", 0), "redis is away"},
		{"list without a store", list(away), "redis is away"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.what, tt.err, tt.want)
		}
	}
}

func TestAdmin_MuteWithoutADurationIsABadRequest(t *testing.T) {
	t.Parallel()
	mux := adminMux(&operator{devices: &fakeDevices{}})
	for _, query := range []string{"", "?for=", "?for=2", "?for=-1h"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/devices/d1/mute"+query, nil))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q: got %d %s, want 400", query, w.Code, w.Body)
		}
	}
}

// scrape returns the metrics of a collector, a line each, without comments.
func scrape(t *testing.T, c prometheus.Collector) []string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	w := httptest.NewRecorder()
	healthMux(registry, nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func TestPresenceCollector(t *testing.T) {
	t.Parallel()
	counts := func(context.Context) (sluice.PresenceCounts, error) {
		return sluice.PresenceCounts{Up: 7, Suspect: 0, Down: 2}, nil
	}
	want := []string{`sluice_devices{state="down"} 2`, `sluice_devices{state="suspect"} 0`, `sluice_devices{state="up"} 7`}
	if diff := cmp.Diff(want, scrape(t, newPresenceCollector(counts))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPresenceCollector_LeavesOutWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	away := func(ctx context.Context) (sluice.PresenceCounts, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the store may hang, and the scrape with it")
		}
		return sluice.PresenceCounts{}, errors.New("redis is away")
	}
	if got := scrape(t, newPresenceCollector(away)); got != nil {
		t.Errorf("got %q, want nothing", got)
	}
}
