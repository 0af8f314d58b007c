package mqtt

import "testing"

func TestIdentifiers_ChangeOnlyWhereAnotherFilterTakesOver(t *testing.T) {
	t.Parallel()
	before := identifiers(filters(t, "data/sensor", "other", "data/#"))
	added := identifiers(filters(t, "data/door", "data/sensor", "new/+", "other", "data/#"))
	if added[1] != before[0] || added[3] != before[1] {
		t.Error("the identifier of a filter changed though nothing takes its messages over")
	}
	if added[4] == before[2] {
		t.Error("data/# kept its identifier though data/door takes messages over: what waits for it would count as an overlap")
	}
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "+", true},
		{"a/b", "a", false},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"#", "a/b", true},
		{"a/+/c", "a/b/+", true},
		{"a/+/c", "a/b/d", false},
		{"a/+", "a/b/c", false},
		{"+/b", "a/+/#", true},
	}
	for _, test := range tests {
		if overlap(test.a, test.b) != test.want || overlap(test.b, test.a) != test.want {
			t.Errorf("overlap of %q and %q: got %v, want %v", test.a, test.b, !test.want, test.want)
		}
	}
}
