package outagetest

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"sluice/app"
	"sluice/device"
	"sluice/internal/apptest"
	"sluice/internal/outagekit"
)

// A receiver that answers 500 for a while holds up no other, and gets every
// report once when it is well again. OUTAGE_PROOF=full: for a minute.
func TestReceiver_FailingForAWhile_HoldsUpNoOther(t *testing.T) {
	t.Parallel()
	ill := 6 * time.Second
	if os.Getenv("OUTAGE_PROOF") == "full" {
		ill = time.Minute
	}
	good, bad := outagekit.NewStub(t), outagekit.NewStub(t)
	site := apptest.New(t, apptest.Site{Extra: fmt.Sprintf(`notify:
  - {kind: webhook, name: good, url: %q}
  - {kind: webhook, name: bad, url: %q}
`, good.URL, bad.URL)})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	const n = 5
	f := fleet(t, site, device.Config{Count: n, Prefix: "pump-", Delay: time.Second})
	awaitTruth(t, f, device.Announced, n)

	bad.Answer(http.StatusInternalServerError)
	began := time.Now()
	var late []time.Duration
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("pump-%04d", i)
		drop(t, f, name, 0)
		dropped := time.Now()
		report := good.Await(t, 1, name+" down")[0]
		late = append(late, report.At.Sub(dropped.Add(time.Second)))
	}
	if left := ill - time.Since(began); left > 0 {
		select {
		case <-time.After(left):
		case <-t.Context().Done():
		}
	}
	if got := bad.Accepted(); len(got) != 0 {
		t.Fatalf("the ill receiver accepted %d reports", len(got))
	}
	bad.Answer(0)
	for i := 1; i <= n; i++ {
		bad.Await(t, 1, fmt.Sprintf("pump-%04d down", i))
	}
	awaitQuiet(t, router.AdminClient)
	for name, s := range map[string]*outagekit.Stub{"good": good, "bad": bad} {
		for i := 1; i <= n; i++ {
			if got := len(s.With(fmt.Sprintf("pump-%04d down", i))); got != 1 {
				t.Errorf("receiver %s was told %d times of pump-%04d", name, got, i)
			}
		}
	}
	t.Logf("ill for %v after %d tries; the other was told at most %v after the deadline", time.Since(began).Round(time.Second), bad.Tried(), slices.Max(late).Round(time.Millisecond))
	if most := slices.Max(late); most > 2*time.Second {
		t.Errorf("the good receiver was told %v late", most)
	}
}
