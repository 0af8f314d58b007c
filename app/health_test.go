package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
)

func TestHealth_ReadyWhenAllServersAnswer(t *testing.T) {
	t.Parallel()
	router := apptest.New(t, apptest.Site{}).Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	if status, body := router.Get(t, "/livez"); status != http.StatusOK {
		t.Errorf("livez: got %d %s", status, body)
	}
	status, body := router.Get(t, "/readyz")
	for _, check := range []string{"queue", "database", "broker", "routes"} {
		if want := fmt.Sprintf("%q:%q", check, "ok"); !strings.Contains(body, want) {
			t.Errorf("readyz: got %s, want %s", body, want)
		}
	}
	if status != http.StatusOK {
		t.Errorf("readyz: got %d", status)
	}
}

func TestHealth_NamesTheServerThatIsAway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		check  string
		server func(*apptest.Site, *testenv.Server) *testenv.Server
	}{
		{"broker", func(s *apptest.Site, _ *testenv.Server) *testenv.Server { return s.Broker }},
		{"queue", func(s *apptest.Site, _ *testenv.Server) *testenv.Server { return s.Redis }},
		{"database", func(_ *apptest.Site, postgres *testenv.Server) *testenv.Server { return postgres }},
	} {
		t.Run(tt.check, func(t *testing.T) {
			t.Parallel()
			postgres := testenv.Postgres(t)
			site := apptest.New(t, apptest.Site{Database: postgres.URL()})
			site.Migrate(t)
			router := site.Start(t, app.DefaultSinks())
			router.AwaitLeading(t)
			tt.server(site, postgres).Kill()
			testenv.Eventually(t, 20*time.Second, func() error {
				status, body := router.Get(t, "/readyz")
				if status != http.StatusServiceUnavailable || strings.Contains(body, fmt.Sprintf("%q:%q", tt.check, "ok")) {
					return fmt.Errorf("got %d %s, want %s to be at fault", status, body, tt.check)
				}
				return nil
			})
			if status, _ := router.Get(t, "/livez"); status != http.StatusOK {
				t.Errorf("livez: got %d", status)
			}
		})
	}
}

// metricNames are the metrics that dashboards and alerts may count on.
var metricNames = []string{
	"sluice_received_total", "sluice_stored_total", "sluice_duplicate_total",
	"sluice_dead_total", "sluice_dropped_total", "sluice_batch_retries_total",
	"sluice_group_messages_bucket", "sluice_append_seconds_bucket",
	"sluice_batch_messages_bucket", "sluice_batch_seconds_bucket",
	"sluice_queued_messages", "sluice_queued_bytes", "sluice_oldest_queued_age_seconds",
	"sluice_route_halted", "sluice_lease_held", "sluice_ingest_events_total",
	"sluice_last_append_timestamp_seconds", "sluice_last_success_timestamp_seconds",
	"sluice_mqtt_received_qos1_total", "sluice_mqtt_acked_total",
	"process_resident_memory_bytes", "go_goroutines",
}

func TestMetrics_TellEverythingButNoDevice(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Extra: "routes: [{topic: 'data/sensor/{device}', sink: sensor, max_payload: 100}]\n"})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	const device = "greenhouse-7"
	topic := "data/sensor/" + device
	site.Publish(t, topic, apptest.Reading(device, 1_700_000_000, 21.5)) // stored
	site.Publish(t, topic, apptest.Reading(device, 1_700_000_000, 21.5)) // duplicate
	site.Publish(t, topic, apptest.Reading("other", 1_700_000_001, 20))  // dead
	site.Publish(t, topic, make([]byte, 101))                            // dead at the door
	router.AwaitStored(t, "$dead", 2)
	router.AwaitStored(t, "data/sensor/{device}", 1)

	_, body := router.Get(t, "/metrics")
	for _, name := range metricNames {
		if !strings.Contains(body, "\n"+name) && name != "sluice_dropped_total" && name != "sluice_batch_retries_total" {
			t.Errorf("no metric %s", name)
		}
	}
	for _, line := range []string{
		`sluice_received_total{route="data/sensor/{device}"} 4`,
		`sluice_stored_total{route="data/sensor/{device}"} 1`,
		`sluice_duplicate_total{route="data/sensor/{device}"} 1`,
		`sluice_dead_total{reason="identity",route="data/sensor/{device}"} 1`,
		`sluice_dead_total{reason="too_large",route="data/sensor/{device}"} 1`,
		`sluice_lease_held 1`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(body, device) {
		t.Error("a device's name is in the metrics")
	}
	if t.Failed() {
		t.Log(body)
	}
}
