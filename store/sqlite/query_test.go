package sqlite

import (
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"sluice/gen/sluicev1"
	"sluice/store"
	"sluice/store/storetest"
)

// Only what was written after a mark counts as changed.
func TestQueries_Changed_NothingElse(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	in := target{s, NewQueries(s)}
	id, err := s.Facility(t.Context(), "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	tell := func(events ...*sluicev1.PresenceEvent) string {
		storetest.WantOutcome(t, NewDevices(s, id).Handle(t.Context(), storetest.PresenceBatch(events...)), 0)
		mark, err := in.Mark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return mark
	}
	first := tell(storetest.Event(storetest.Fell, "a", 10, 10, nil), storetest.Event(storetest.Changed, "b", 2, 0, nil))
	second := tell(storetest.Event(storetest.CameBack, "a", 20, 10, nil), storetest.Event(storetest.Changed, "b", 1, 0, nil)) // the latter is old
	third := tell(storetest.Event(storetest.Fell, "a", 10, 10, nil))                                                          // and so is this
	for mark, want := range map[string][]string{first: {"plant-1/a", "a 10"}, second: nil, third: nil} {
		if diff := cmp.Diff(want, storetest.ChangedSince(t, in, mark)); diff != "" {
			t.Errorf("since %s (-want +got):\n%s", mark, diff)
		}
	}
	if _, err := in.ChangedDevices(t.Context(), "no mark"); err == nil {
		t.Error("a mark that is none was accepted")
	}
}

// A page that is being read does not hold up a writer, and does not see what it writes.
func TestStore_AReaderHoldsUpNoWriter(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	id, err := s.Facility(t.Context(), "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	h := NewSensor(s, id, SensorConfig{})
	storetest.WantOutcome(t, h.Handle(t.Context(), storetest.Readings("a", storetest.Epoch, 10)), 0)
	in := target{s, NewQueries(s)}
	err = s.read(t.Context(), func(c *conn) error {
		seen := 0
		return c.each(`SELECT entry_id FROM sensor`, nil, func(*sqlite3.Stmt) error {
			if seen++; seen == 1 {
				storetest.WantOutcome(t, h.Handle(t.Context(), storetest.Readings("b", storetest.Epoch, 10)), 0)
				if n, err := in.Count(t.Context(), `SELECT count(*) FROM sensor`); n != 20 || err != nil {
					t.Errorf("another reader sees %d rows (%v), want 20", n, err)
				}
			}
			if seen > 10 {
				t.Error("the reader sees rows that came after it had begun")
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStore_AReaderCannotWrite(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	err := s.read(t.Context(), func(c *conn) error {
		_, err := c.exec(`INSERT INTO facility (name, last_id) VALUES ('x', 0)`)
		return err
	})
	if err == nil {
		t.Error("a connection for reading has written")
	}
}

// Reading many rows takes the memory of a page.
func TestQueries_Sensor_MemoryIsThatOfAPage(t *testing.T) {
	s := newStore(t)
	const all, most = 300_000, 6 << 20 // the rows take three times as much
	fillMany(t, s, all, 100)
	var before, now runtime.MemStats
	r := NewQueries(s).Sensor(store.SensorQuery{Facilities: []int32{1}})
	storetest.ReadAll(t, r, 1000)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for rows, pages := 1000, 0; rows < all; pages++ {
		chunks, err := r.Page(t.Context(), all)
		if err != nil || len(chunks) == 0 {
			t.Fatalf("after %d rows: %v", rows, err)
		}
		for _, c := range chunks {
			rows += len(c.EntryId)
		}
		if pages%25 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > most {
				t.Fatalf("after %d rows the heap has grown by %d bytes", rows, grown)
			}
		}
	}
}

// fillMany stores n readings of facility 1.
func fillMany(t testing.TB, s *Store, n, devices int) {
	t.Helper()
	id, err := s.Facility(t.Context(), "plant-1")
	if err != nil {
		t.Fatal(err)
	}
	h := NewSensor(s, id, SensorConfig{})
	for i := range n / benchBatch {
		storetest.WantOutcome(t, h.Handle(t.Context(), load(devices, i, benchBatch)), 0)
	}
}
