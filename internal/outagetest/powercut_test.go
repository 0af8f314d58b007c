package outagetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/app"
	"sluice/device"
	"sluice/internal/apptest"
	"sluice/internal/outagekit"
	"sluice/internal/process"
	"sluice/internal/testenv"
)

// A whole site loses power: one report says so, at every receiver, and all its
// devices are down soon after their delay. OUTAGE_PROOF=full does it with 10 000
// devices and looks at the router's memory, which the race detector multiplies.
func TestPowerCut_OneReport(t *testing.T) {
	n, full := 600, os.Getenv("OUTAGE_PROOF") == "full"
	if full {
		n = 10_000
	} else {
		t.Parallel()
	}
	const delay = 10 * time.Second
	stub := outagekit.NewStub(t)
	site := apptest.New(t, apptest.Site{Extra: fmt.Sprintf(
		"notify: [{kind: webhook, url: %q}, {kind: groupme, bot_id: bot-1, url: %q}]\n", stub.URL+"/hook", stub.URL)})
	router := process.Start(t, envRouter, site.Path())
	router.AwaitLog("reading the broker", 1)
	client := app.NewAdminClient(site.Socket())
	f := fleet(t, site, device.Config{Count: n, Delay: delay})
	awaitTruth(t, f, device.Announced, n)
	awaitDevices(t, client, func(s app.Status) bool { return s.Devices.Up == int64(n) })

	cut := time.Now()
	if closed := f.PowerCut(0); closed != n {
		t.Fatalf("%d of %d devices had a socket", closed, n)
	}
	awaitDevices(t, client, func(s app.Status) bool { return s.Devices.Down == int64(n) })
	took := time.Since(cut)
	hook, chat := stub.AwaitPath(t, "/hook"), stub.AwaitPath(t, "/v3/bots/post")
	t.Logf("%d devices down %v after the power cut (delay %v); GroupMe got %d characters:\n%s", n, took.Round(10*time.Millisecond), delay, len(chat.Text), chat.Text)
	if took > delay+3*time.Second {
		t.Errorf("all devices down after %v, want at most %v", took, delay+3*time.Second)
	}
	var report struct {
		Storm struct{ Devices, Alive int }
	}
	if err := json.Unmarshal(hook.Body, &report); err != nil {
		t.Fatal(err)
	}
	if report.Storm.Devices != n || report.Storm.Alive != n {
		t.Errorf("the report tells of %+v, want %d of %d", report.Storm, n, n)
	}
	awaitQuiet(t, client)
	if all := stub.Accepted(); len(all) != 2 {
		t.Errorf("got %d reports, want one per receiver", len(all))
	}
	if full {
		peak := peakMemory(t, router.PID())
		t.Logf("router: peak resident memory %d MiB", peak>>20)
		if peak > 128<<20 {
			t.Errorf("peak resident memory %d MiB, want at most 128", peak>>20)
		}
	}
}

func awaitDevices(t testing.TB, client *app.AdminClient, ok func(app.Status) bool) {
	t.Helper()
	testenv.Eventually(t, 2*outagekit.Patience, func() error {
		s, err := client.Status(t.Context())
		if err == nil && !ok(s) {
			err = fmt.Errorf("devices: %+v", s.Devices)
		}
		return err
	})
}

// awaitQuiet waits until no queue has a message.
func awaitQuiet(t testing.TB, client *app.AdminClient) {
	t.Helper()
	testenv.Eventually(t, outagekit.Patience, func() error {
		s, err := client.Status(t.Context())
		if err != nil {
			return err
		}
		for _, q := range s.Queues {
			if q.Queued() > 0 || q.Balance() != 0 {
				return fmt.Errorf("%s has %d messages, its account is off by %d", q.Queue, q.Queued(), q.Balance())
			}
		}
		return nil
	})
}

// peakMemory returns the most memory that a process has had resident, in bytes
// [proc(5), VmHWM].
func peakMemory(t testing.TB, pid int) (bytes int64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	if _, err := fmt.Sscan(rest, &bytes); err != nil || !found {
		t.Fatalf("no VmHWM in %q: %v", text, err)
	}
	return bytes << 10 // of KiB
}
