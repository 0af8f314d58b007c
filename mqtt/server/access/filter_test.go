package access

import (
	"slices"
	"strings"
	"testing"
)

func TestParseFilter(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"a": true, "/": true, "#": true, "+": true, "a/+/b/#": true, "$SYS/#": true, "a b": true, "%u/x": true, "{x}": true,
		"": false, "a#": false, "a/#/b": false, "a+": false, "+a/b": false, "##": false, "a\x00": false, "a\tb": false,
		"\xff": false, strings.Repeat("a", maxTopic): true, strings.Repeat("a", maxTopic+1): false,
	} {
		if _, err := parseFilter(text); (err == nil) != ok {
			t.Errorf("parseFilter(%.20q): %v, want ok %t", text, err, ok)
		}
	}
}

// combinations returns every topic of up to depth levels out of the given ones.
func combinations(depth int, levels ...string) []string {
	all := levels
	for _, rest := range levels {
		if depth == 1 {
			break
		}
		for _, below := range combinations(depth-1, levels...) {
			all = append(slices.Clip(all), rest+"/"+below)
		}
	}
	return all
}

// smallFilters are all valid filters of up to three levels over a few words.
func smallFilters() (all []filter) {
	for _, text := range combinations(3, "a", "$b", "", "+", "#") {
		if f, err := parseFilter(text); err == nil {
			all = append(all, f)
		}
	}
	return all
}

// The few topics are enough: a fourth level and the word c stand for all that no
// filter names.
var smallTopics = combinations(4, "a", "$b", "", "c")

// bits tells which of the small topics a filter matches.
func bits(f filter) []bool {
	set := make([]bool, len(smallTopics))
	for i, topic := range smallTopics {
		set[i] = f.match(topic)
	}
	return set
}

func TestIntersectAndCovers_AgreeWithMatch(t *testing.T) {
	t.Parallel()
	filters := smallFilters()
	sets := make([][]bool, len(filters))
	for i, f := range filters {
		sets[i] = bits(f)
	}
	for i, f := range filters {
		for k, g := range filters {
			both, ok := f.intersect(g)
			got := make([]bool, len(smallTopics))
			if ok {
				got = bits(both)
			}
			some, all := false, true
			for n := range got {
				want := sets[i][n] && sets[k][n]
				some = some || want
				all = all && (sets[i][n] || !sets[k][n])
				if got[n] != want {
					t.Fatalf("%q and %q give %q, %t, which is wrong for %q", f, g, both, ok, smallTopics[n])
				}
			}
			if ok != some {
				t.Fatalf("%q and %q give %q, %t", f, g, both, ok)
			}
			if got := f.covers(g); got != all {
				t.Fatalf("%q covers %q: got %t, want %t", f, g, got, all)
			}
		}
	}
}

func TestIntersect_LeavesItsFiltersAlone(t *testing.T) {
	t.Parallel()
	f, g := cutFilter("a/+/#"), cutFilter("a/b/c")
	both, _ := f.intersect(g)
	both[1] = "changed"
	if strings.Join(f, "/") != "a/+/#" || strings.Join(g, "/") != "a/b/c" {
		t.Errorf("got %q and %q", f, g)
	}
}
