package config

import (
	"fmt"
	"strings"
)

// suggest tells what may stand where got stands: the nearest of known when got
// looks like a slip of it, else all of them.
func suggest(got string, known []string) string {
	best, ok := nearest(got, known)
	switch {
	case ok:
		return fmt.Sprintf("did you mean %s?", best)
	case len(known) == 0:
		return "there is none"
	}
	return "use one of " + strings.Join(known, ", ")
}

// nearest returns the member of known of which got looks like a slip.
func nearest(got string, known []string) (best string, ok bool) {
	distance := max(2, len(got)/3) + 1
	for _, k := range known {
		if d := levenshtein(strings.ToLower(got), strings.ToLower(k)); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	return best, best != ""
}

// levenshtein counts the bytes to insert, delete or replace to make b of a.
// Texts longer than 100 bytes are as far apart as can be: no name is that long.
func levenshtein(a, b string) int {
	if max(len(a), len(b)) > 100 {
		return 100
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
