package api

import (
	"maps"
	"math"
	"testing"
)

// FuzzParsePlace looks for tokens that break the server or are not what they seem:
// whatever is accepted is a place whose token says the same.
func FuzzParsePlace(f *testing.F) {
	for _, p := range []place{{}, {1: 0}, {1: 5, 2: 1 << 40, math.MaxInt32: math.MaxInt64}} {
		f.Add(p.token())
	}
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := parsePlace(token)
		if err != nil {
			return
		}
		again, err := parsePlace(p.token())
		if err != nil || !maps.Equal(p, again) {
			t.Errorf("%v became %v, %v", p, again, err)
		}
		for id, entry := range p {
			if id < 0 || entry < 0 {
				t.Errorf("got entry %d of facility %d", entry, id)
			}
		}
	})
}
