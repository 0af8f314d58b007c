package app_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

func TestBatchRouter_QueuesWhileTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	site := apptest.New(t, apptest.Site{Database: server.URL()})
	site.Migrate(t)
	server.Kill()

	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	for i := range 10 {
		site.Publish(t, "data/sensor", apptest.Reading("d1", 1_700_000_000+int64(i), 20))
	}
	router.AwaitAccount(t, "data/sensor", func(q sluice.QueueStatus) bool { return q.Queued() == 10 && q.Balance() == 0 })

	server.Start()
	router.AwaitStored(t, "data/sensor", 10)
	if n := site.Count(t, "SELECT count(*) FROM data.sensor"); n != 10 {
		t.Errorf("got %d rows, want 10", n)
	}
}

func TestBatchRouter_RefusesAnotherSchema(t *testing.T) {
	t.Parallel()
	t.Run("older", func(t *testing.T) {
		t.Parallel()
		site := apptest.New(t, apptest.Site{Database: testenv.Database(t)})
		err := site.Start(t, app.DefaultSinks()).Wait(t)
		if !errors.Is(err, postgres.ErrSchemaOlder) || !strings.Contains(err.Error(), "sluice db migrate") {
			t.Errorf("got %v, want the command that helps", err)
		}
	})
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		site := apptest.New(t, apptest.Site{})
		site.Exec(t, "INSERT INTO sluice.goose_db_version (version_id, is_applied) VALUES (9000, true)")
		err := site.Start(t, app.DefaultSinks()).Wait(t)
		if !errors.Is(err, postgres.ErrSchemaNewer) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

// A database that comes up without its schema halts the routes and is mended by
// the command that the status names; nothing is restarted.
func TestBatchRouter_DatabaseComesUpUnmigrated(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	site := apptest.New(t, apptest.Site{Database: server.URL()})
	server.Kill()
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	site.Publish(t, "data/sensor", apptest.Reading("d1", 1_700_000_000, 20))
	server.Start()
	router.AwaitAccount(t, "data/sensor", func(q sluice.QueueStatus) bool { return strings.Contains(q.Halted, "sluice db migrate") })

	site.Migrate(t)
	router.AwaitStored(t, "data/sensor", 1)
}

func TestBatchRouter_RefusesRedisThatMayLoseMessages(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{Redis: testenv.Redis(t, testenv.Config("appendfsync everysec"))})
	err := site.Start(t, app.DefaultSinks()).Wait(t)
	if err == nil || !strings.Contains(err.Error(), `"appendfsync always"`) {
		t.Errorf("got %v, want the line to change", err)
	}
}

func TestBatchRouter_WaitsForRedis(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	site.Redis.Kill()
	router := site.Start(t, app.DefaultSinks())
	site.Redis.Start()
	router.AwaitLeading(t)
}

func TestBatchRouter_EndsWhileItWaitsForRedis(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		away func(*testenv.Server)
	}{
		{"killed", (*testenv.Server).Kill},
		{"paused", (*testenv.Server).Pause},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			site := apptest.New(t, apptest.Site{})
			tt.away(site.Redis)
			router := site.Start(t, app.DefaultSinks())
			began := time.Now()
			if err := router.Stop(t); err != nil {
				t.Errorf("got %v, want a clean end", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestBatchRouter_AddressInUseIsRefused(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	site.Metrics = site.Redis.Addr()
	site.Rewrite(t)
	err := site.Start(t, app.DefaultSinks()).Wait(t)
	if err == nil || !strings.Contains(err.Error(), "metrics.batch_router") {
		t.Errorf("got %v, want the key to change", err)
	}
}
