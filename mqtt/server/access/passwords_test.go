package access

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestDummy_CostsWhatMostUsersCost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		iterations []int // 0: SHA-512, once
		want       int
	}{
		{nil, usualIterations},
		{[]int{5}, 5},
		{[]int{0, 0, 101}, 0},
		{[]int{101, 1000, 1000, 101, 101}, 101},
		{[]int{1000, 101, 101, 1000, 1000}, 1000},
		{[]int{7, 9, 8}, 9},
	} {
		u, err := parsePasswords("p", []byte(passwordFile(c.iterations)))
		if err != nil {
			t.Fatal(err)
		}
		if u.dummy.iterations != c.want {
			t.Errorf("%v: %d iterations, want %d", c.iterations, u.dummy.iterations, c.want)
		}
		if u.verify("stranger", []byte("x")) {
			t.Errorf("%v: a stranger comes in", c.iterations)
		}
	}
}

// passwordFile has a user for each number of iterations.
func passwordFile(iterations []int) string {
	var text strings.Builder
	for i, n := range iterations {
		h := newDummy(n)
		kind := fmt.Sprintf("7$%d", n)
		if n == 0 {
			kind = "6"
		}
		fmt.Fprintf(&text, "u%d:$%s$%s$%s\n", i, kind,
			base64.StdEncoding.EncodeToString(h.salt), base64.StdEncoding.EncodeToString(h.key))
	}
	return text.String()
}
