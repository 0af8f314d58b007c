package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"sluice"
	"sluice/config"
	"sluice/internal/apptest"
	"sluice/sluicetest"
	"sluice/store/postgres"
)

const (
	queue  = "data/door/{door}"
	routes = "routes: [{topic: '" + queue + "', batch: {max: 500, timeout: 100ms}, sink: door}]\n"
)

// newSite returns a site with the table, and the rows of it as door:open.
func newSite(t *testing.T) (*apptest.Site, func() []string) {
	t.Helper()
	site := apptest.New(t, apptest.Site{Extra: routes})
	schema, err := os.ReadFile("door.sql")
	if err != nil {
		t.Fatal(err)
	}
	site.Exec(t, string(schema))
	return site, func() []string { return events(t, site.Database) }
}

func events(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, _ := conn.Query(t.Context(), "SELECT door || ':' || open FROM door_event ORDER BY 1") // the error comes with the rows
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDoors_EndToEnd(t *testing.T) {
	t.Parallel()
	site, rows := newSite(t)
	router := site.Start(t, newSinks())
	site.Publish(t, "data/door/front", []byte("open"))
	site.Publish(t, "data/door/front", []byte("closed"))
	site.Publish(t, "data/door/back", []byte("ajar"))
	router.AwaitStored(t, queue, 2)
	router.AwaitStored(t, sluice.QueueDead, 1)
	if diff := cmp.Diff([]string{"front:false", "front:true"}, rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestDoors_BatchThatComesTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	site, rows := newSite(t)
	pool, err := postgres.NewPool(t.Context(), site.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	bad := sluicetest.TestHandler(t, doors{pool}, sluicetest.Batch(queue,
		sluicetest.Message("data/door/front", []byte("open")),
		sluicetest.Message("data/door/back", []byte("\x00")),
	))
	want := []sluice.BadMessage{{Index: 1, Device: "back", Reason: sluice.ReasonDecode}}
	if diff := cmp.Diff(want, bad, cmpopts.IgnoreFields(sluice.BadMessage{}, "Detail")); diff != "" {
		t.Errorf("bad messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"front:true"}, rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestConfiguration_IsGood(t *testing.T) {
	t.Parallel()
	if _, err := config.Load("sluice.yaml", nil, config.Sinks(newSinks().Names()...)); err != nil {
		t.Error(err)
	}
}
