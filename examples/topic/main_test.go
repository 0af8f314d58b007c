package main

import (
	"path/filepath"
	"slices"
	"testing"

	"sluice"
	"sluice/internal/litefile"
	"sluice/sluicetest"
	"sluice/store/sqlite"
)

func TestDoors_BatchThatComesTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	file, err := litefile.Open(filepath.Join(t.TempDir(), "sluice.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	store, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	bad := sluicetest.TestHandler(t, doors{store}, sluicetest.Batch("data/door/{door}",
		sluicetest.Message("data/door/front", []byte("open")),
		sluicetest.Message("data/door/back", []byte("ajar")),
		sluicetest.Message("data/door/front", []byte("closed")),
	))
	if len(bad) != 1 || bad[0].Index != 1 || bad[0].Device != "back" || bad[0].Reason != sluice.ReasonDecode {
		t.Errorf("got bad messages %+v, want the second", bad)
	}
	if got, want := events(t, file), []string{"front:1", "front:0"}; !slices.Equal(got, want) {
		t.Errorf("got rows %q, want %q", got, want)
	}
}

// events are the rows that were written.
func events(t *testing.T, file *litefile.File) (all []string) {
	t.Helper()
	c, err := file.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rows, _, err := c.Prepare(`SELECT door || ':' || open FROM door_event ORDER BY rowid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Step() {
		all = append(all, rows.ColumnText(0))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
