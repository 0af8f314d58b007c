package roster

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice"
)

// A table is what a map is, a rolled back step never was, and a step tells of every
// record that it changed.
func TestTable_IsAMapThatCanUndo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var table Table[int, int]
		before, now := map[int]int{}, map[int]int{}
		key := rapid.IntRange(0, 5)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), rapid.Int().Draw(t, "value")
				*table.Put(k), now[k] = v, v
			},
			"edit": func(t *rapid.T) {
				if k := key.Draw(t, "key"); table.Get(k) != nil {
					*table.Edit(k)++
					now[k]++
				}
			},
			"remove": func(t *rapid.T) {
				if k := key.Draw(t, "key"); table.Get(k) != nil {
					table.Remove(k)
					delete(now, k)
				}
			},
			"commit": func(*rapid.T) {
				table.Commit()
				before = maps.Clone(now)
			},
			"rollback": func(*rapid.T) {
				table.Rollback()
				now = maps.Clone(before)
			},
			"": func(t *rapid.T) { compareTable(t, &table, before, now) },
		})
	})
}

func compareTable(t *rapid.T, table *Table[int, int], before, now map[int]int) {
	got, changed := map[int]int{}, map[int]bool{}
	for k, v := range table.All() {
		got[k] = *v
	}
	if diff := cmp.Diff(now, got); diff != "" {
		t.Fatalf("table (-want +got):\n%s", diff)
	}
	for k, v := range table.Changed() {
		changed[k] = true
		if value, ok := now[k]; ok != (v != nil) || ok && value != *v {
			t.Fatalf("record %d is told to be %v, is %d, %t", k, v, value, ok)
		}
	}
	for k := range 6 {
		was, had := before[k]
		is, has := now[k]
		if (had != has || was != is) && !changed[k] {
			t.Fatalf("record %d was changed, and nothing is told of it", k)
		}
	}
	var keys []int
	for cursor, begun := "", false; !begun || cursor != ""; begun = true {
		var page []int
		page, cursor = table.Page(cursor, 2)
		keys = append(keys, page...)
	}
	slices.Sort(keys)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(now)), keys); len(now) > 0 && diff != "" || len(now) != len(keys) {
		t.Fatalf("pages (-want +got):\n%s", diff)
	}
}

// A page through a table does not miss a record, whatever comes and goes meanwhile.
func TestTable_Page_MissesNothingThatStays(t *testing.T) {
	t.Parallel()
	var table Table[int, int]
	for k := range 10 {
		table.Put(k)
	}
	table.Remove(2)
	first, cursor := table.Page("", 4)
	table.Remove(9)
	table.Put(20)
	table.Put(21)
	rest, cursor := table.Page(cursor, 100)
	for _, k := range []int{0, 1, 3, 4, 5, 6, 7, 8} {
		if !slices.Contains(first, k) && !slices.Contains(rest, k) {
			t.Errorf("record %d is on no page", k)
		}
	}
	if cursor != "" {
		t.Errorf("cursor %q after the last page", cursor)
	}
}

func TestRecord_KeepsTheNewest_AndCanUndo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r Record
		const keep = 5
		before, now := []sluice.Delivered(nil), []sluice.Delivered(nil)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				var news []sluice.Delivered
				for range rapid.IntRange(1, 7).Draw(t, "news") {
					news = append(news, sluice.Delivered{Hash: rapid.Uint64().Draw(t, "hash")})
				}
				r.Add("a", news, keep)
				now = append(slices.Clone(now), news...)
			},
			"clear":    func(*rapid.T) { r.Clear("a"); now = nil },
			"commit":   func(*rapid.T) { r.Commit(); before = now },
			"rollback": func(*rapid.T) { r.Rollback(); now = before },
			"": func(t *rapid.T) {
				want := now[max(len(now)-keep, 0):]
				if diff := cmp.Diff(want, r.Newest("a", keep)); len(want) > 0 && diff != "" {
					t.Fatalf("newest (-want +got):\n%s", diff)
				}
				if all := r.Newest("a", -1); len(all) < len(want) || len(all) > 2*keep+7 {
					t.Fatalf("%d are kept of %d", len(all), len(now))
				}
			},
		})
	})
}
