package uptest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sluice/app"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// A site that has grown takes its rows to PostgreSQL, with their entry ids, in two runs,
// and goes on there where its queue was.
func TestUp_MovesToPostgres(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, "clock: {interval: 500ms}\ndevice: {delay: 1s}\n")
	s.awaitUp()
	s.awaitDevices("demo-0003")
	s.Terminate()
	url := testenv.Database(t)
	first := s.imported(url)
	s.start()
	s.awaitUp()
	s.awaitRows(first + 3)
	before, err := s.rows()
	if err != nil {
		t.Fatal(err)
	}
	s.Terminate()
	if n := s.imported(url); n == 0 {
		t.Error("the second run moved nothing")
	}
	if n := s.imported(url); n != 0 {
		t.Errorf("the third run moved %d readings, want none", n)
	}

	s.plan.Postgres, s.plan.Demo = true, 3
	s.more(fmt.Sprintf("store: {postgres: {url: %q}}\n", url))
	s.start()
	s.awaitUp()
	after := s.awaitRows(len(before) + 3) // ids 1, 2, 3 and so on are checked there
	for i := range before {
		if after[i] != before[i] {
			t.Fatalf("row %d is %+v, was %+v", i+1, after[i], before[i])
		}
	}
	s.Terminate()
	t.Logf("%d readings moved in two runs, %d rows after going on", len(before), len(after))
}

// imported moves what there is and returns how many readings that were.
func (s *site) imported(url string) int {
	s.t.Helper()
	if _, _, err := postgres.Migrate(s.t.Context(), url); err != nil {
		s.t.Fatal(err)
	}
	pool, err := postgres.NewPool(s.t.Context(), url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer pool.Close()
	all, err := app.Import(s.t.Context(), filepath.Join(s.plan.Dir, app.UpFile), pool, func(app.Imported) {})
	if err != nil || len(all) != 1 {
		s.t.Fatalf("got %+v, %v", all, err)
	}
	return int(all[0].Readings)
}

// more adds YAML to the configuration.
func (s *site) more(text string) {
	s.t.Helper()
	file, err := os.OpenFile(s.plan.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}
