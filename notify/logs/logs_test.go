package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/notify"
	"sluice/notify/internal/receivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record sends one part and returns the only record that was written.
func record(t testing.TB, p *notify.Part) map[string]any {
	t.Helper()
	var out bytes.Buffer
	r := New(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err := r.Send(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	delete(got, "time")
	return got
}

func TestReceiver_WritesOneRecord(t *testing.T) {
	t.Parallel()
	r := &notify.Report{
		ID: "r1", Facility: "plant-1",
		Outages:    []notify.Outage{{Device: "dev-1"}, {Device: "dev-2", Back: time.Unix(1, 0)}},
		Flapping:   []notify.Flap{{Device: "dev-3"}},
		Recoveries: []notify.Recovery{{Device: "dev-4"}},
		Steady:     []notify.Steady{{Device: "dev-5"}},
	}
	want := map[string]any{
		"level": "WARN", "msg": "outage report", "report": "r1", "facility": "plant-1", "text": "all of it",
		"down": []any{"dev-1"}, "flapping": []any{"dev-3"}, "back": []any{"dev-2", "dev-4"}, "steady": []any{"dev-5"},
	}
	if diff := cmp.Diff(want, record(t, &notify.Part{ID: "r1", Text: "all of it", Report: r})); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestReceiver_NamesAtMost200Devices(t *testing.T) {
	t.Parallel()
	r := &notify.Report{}
	for i := range 450 {
		r.Outages = append(r.Outages, notify.Outage{Device: fmt.Sprint("dev-", i)})
	}
	down := record(t, &notify.Part{Report: r})["down"].([]any)
	if len(down) != 201 || down[0] != "dev-0" || down[200] != "and 250 more" {
		t.Errorf("got %d names, the last %v", len(down), down[len(down)-1])
	}
}

func TestSendTest_SaysThatItIsOne(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := notify.SendTest(t.Context(), New(slog.New(slog.NewTextHandler(&out, nil))), "plant-1"); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "test of the outage reports") || !strings.Contains(got, "no action is needed") {
		t.Errorf("got %s", got)
	}
}

func TestReceiver_WithoutALogger(t *testing.T) {
	t.Parallel()
	r := New(nil)
	if err := r.Send(t.Context(), receivertest.Part()); err != nil || r.Limit() != 0 {
		t.Errorf("got %v, limit %d", err, r.Limit())
	}
}

// It has none of its own, and prints none that it might be given.
func TestReceiver_LeaksNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil)).With("token", notify.NewSecret("hunter2"))
	r := New(log)
	if err := r.Send(t.Context(), receivertest.Part()); err != nil {
		t.Fatal(err)
	}
	receivertest.NoSecret(t, out.String(), []string{"hunter2"})
	receivertest.NoSecret(t, r, []string{"hunter2"})
}
