package app_test

import (
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
	"sluice/store"
	"sluice/store/postgres"
)

// deadLetters waits for n dead letters in the database and returns them.
func deadLetters(t *testing.T, site *apptest.Site, router *apptest.Router, n int64) []store.StoredDead {
	t.Helper()
	router.AwaitAccount(t, sluice.QueueDead, func(q sluice.QueueStatus) bool { return q.Account.Stored == n })
	pool, err := postgres.NewPool(t.Context(), site.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	letters, err := postgres.ListDead(t.Context(), pool, store.DeadFilter{}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func TestReplay_LetterBecomesARowOnceTheCauseIsMended(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	site.Exec(t, "ALTER TABLE data.sensor ADD CONSTRAINT plausible CHECK (temp < 60)")
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	site.Publish(t, "data/sensor", apptest.Reading("kiln-1", 1_700_000_000, 900))
	site.Publish(t, "data/sensor", apptest.Reading("room-1", 1_700_000_000, 20))

	letters := deadLetters(t, site, router, 1)
	if len(letters) != 1 || letters[0].Reason != sluice.ReasonData || letters[0].Code != "23514" || letters[0].Device != "kiln-1" {
		t.Fatalf("got %+v, want one letter of kiln-1 with SQLSTATE 23514", letters)
	}
	request := app.ReplayRequest{IDs: []int64{letters[0].ID}}

	// Not mended yet: it comes back under a new id.
	if r, err := router.Replay(t.Context(), request); err != nil || r.Replayed != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	again := deadLetters(t, site, router, 2)
	if len(again) != 1 || again[0].ID == letters[0].ID {
		t.Fatalf("got %+v, want one letter with a new id", again)
	}

	site.Exec(t, "ALTER TABLE data.sensor DROP CONSTRAINT plausible")
	request.IDs[0] = again[0].ID
	if r, err := router.Replay(t.Context(), request); err != nil || r.Replayed != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	router.AwaitStored(t, "data/sensor", 2)
	if n := site.Count(t, "SELECT count(*) FROM data.sensor WHERE device = 'kiln-1' AND temp = 900"); n != 1 {
		t.Errorf("got %d rows of kiln-1, want 1", n)
	}
	if n := site.Count(t, "SELECT count(*) FROM sluice.dead_letter"); n != 0 {
		t.Errorf("got %d dead letters, want none", n)
	}
	// Ids that are gone are no error: the command may be repeated.
	if r, err := router.Replay(t.Context(), request); err != nil || r.Replayed != 0 {
		t.Errorf("second time: got %+v, %v", r, err)
	}
	router.Await(t, func(s app.Status) error {
		if faults := s.Faults(); len(faults) > 0 {
			t.Errorf("got faults %q", faults)
		}
		return nil
	})
}

func TestReplay_RefusesLettersOfAnotherFacility(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	id := site.Count(t, `WITH f AS (INSERT INTO data.facility (name) VALUES ('plant-2') RETURNING facility_id)
		INSERT INTO sluice.dead_letter (facility_id, route, device, topic, payload, received, reason, code, detail, at)
		SELECT facility_id, 'data/sensor', '', 'data/sensor', '', now(), 'decode', '', '', now() FROM f RETURNING id`)
	_, err := router.Replay(t.Context(), app.ReplayRequest{IDs: []int64{id}})
	if err == nil || !strings.Contains(err.Error(), "plant-2") {
		t.Errorf("got %v, want a refusal", err)
	}
	if n := site.Count(t, "SELECT count(*) FROM sluice.dead_letter"); n != 1 {
		t.Errorf("got %d dead letters, want 1", n)
	}
}

func TestHalt_RouteWaitsForTheOperator(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	site.Exec(t, "ALTER TABLE data.sensor RENAME TO sensor_away")
	site.Publish(t, "data/sensor", apptest.Reading("d1", 1_700_000_000, 20))
	router.AwaitAccount(t, "data/sensor", func(q sluice.QueueStatus) bool { return q.Halted != "" })

	status, err := router.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if faults := strings.Join(status.Faults(), "\n"); !strings.Contains(faults, "route data/sensor is halted") {
		t.Errorf("got faults %q", faults)
	}
	if code, body := router.Get(t, "/readyz"); code != 503 || !strings.Contains(body, "is halted since") {
		t.Errorf("readyz: got %d %s", code, body)
	}

	site.Exec(t, "ALTER TABLE data.sensor_away RENAME TO sensor")
	if err := router.Resume(t.Context(), "data/sensor"); err != nil {
		t.Fatal(err)
	}
	router.AwaitStored(t, "data/sensor", 1)
	router.AwaitAccount(t, "data/sensor", func(q sluice.QueueStatus) bool { return q.Halted == "" })
}

func TestReport_RouteStatusGoesToTheDatabase(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	site.Publish(t, "data/sensor", apptest.Reading("d1", 1_700_000_000, 20))
	testenv.Eventually(t, 20*time.Second, func() error {
		n := site.Count(t, "SELECT count(*) FROM sluice.route_status WHERE route = 'data/sensor' AND received = 1 AND stored = 1")
		if n != 1 {
			return errNotYet
		}
		return nil
	})
}
