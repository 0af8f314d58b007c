package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/litefile"
	"sluice/store/storetest"
)

// A file that is damaged while it is open halts the route, since no attempt will help,
// and is refused when it is opened anew; both say what to do.
func TestStore_DamagedFile_HaltsAndIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	useDamaged(t, path)
	f, err := litefile.Open(path)
	if err == nil { // what it looks at may be whole
		defer f.Close()
		_, err = Open(t.Context(), f)
	}
	wantDamaged(t, path, err)
}

// useDamaged makes a store with readings, and goes on using it after its file is damaged.
func useDamaged(t *testing.T, path string) {
	t.Helper()
	f, err := litefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := Open(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, err := s.Facility(t.Context(), "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	h := NewSensor(s, id, SensorConfig{})
	storetest.WantOutcome(t, h.Handle(t.Context(), storetest.Readings("dev", storetest.Epoch, 5000)), 0)
	damage(t, s, path)
	err = h.Handle(t.Context(), storetest.Readings("other", storetest.Epoch, 5000))
	if !storetest.IsHalt(err) {
		t.Errorf("got error %v, want a Halt", err)
	}
	wantDamaged(t, path, err)
	_, err = NewQueries(s).LastEntries(t.Context())
	wantDamaged(t, path, err)
}

// damage moves everything into the file, and overwrites all of its pages but the first.
func damage(t *testing.T, s *Store, path string) {
	t.Helper()
	err := s.inTurn(t.Context(), func(c *conn) error { return c.Exec(`PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory`) })
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const page = 4096
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("\xff", int(info.Size()-page))), page); err != nil {
		t.Fatal(err)
	}
}

func wantDamaged(t *testing.T, path string, err error) {
	t.Helper()
	if !errors.Is(err, litefile.ErrUnfit) {
		t.Fatalf("got error %v, want ErrUnfit", err)
	}
	for _, part := range []string{path, "damaged", "restore it from a copy"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got error %q, want %q in it", err, part)
		}
	}
}
