package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		limit int
		want  []string
	}{
		"no limit":          {"one\ntwo", 0, []string{"one\ntwo\n[id]"}},
		"just fits":         {strings.Repeat("x", 35), 40, []string{strings.Repeat("x", 35) + "\n[id]"}},
		"one too many":      {strings.Repeat("x", 36), 40, []string{"(1/2) " + strings.Repeat("x", 27) + "\n[id-1]", "(2/2) xxxxxxxxx\n[id-2]"}},
		"at line ends":      {"first line\nsecond line\nthird line", 36, []string{"(1/2) first line\nsecond line\n[id-1]", "(2/2) third line\n[id-2]"}},
		"line of full room": {strings.Repeat("x", 23) + "\n" + strings.Repeat("y", 23), 36, []string{"(1/2) " + strings.Repeat("x", 23) + "\n[id-1]", "(2/2) " + strings.Repeat("y", 23) + "\n[id-2]"}},
		"runes, not bytes":  {strings.Repeat("ü", 35), 40, []string{strings.Repeat("ü", 35) + "\n[id]"}},
		"only line ends":    {"\n\n\n", 40, []string{"\n[id]"}},
	} {
		got, err := Split(c.text, "id", c.limit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSplit_RefusesALimitWithoutRoom(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 30, 50} {
		if got, err := Split(strings.Repeat("x", 100), id, limit); err == nil {
			t.Errorf("limit %d: got %d parts, want an error", limit, len(got))
		}
	}
}

// Lines of all lengths, some with characters of several bytes, some no UTF-8.
func anyText(t *rapid.T) string {
	line := rapid.OneOf(
		rapid.StringMatching(`dev-[a-z0-9]{1,60} down since 12:00:05Z`),
		rapid.StringN(0, 300, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) }),
	)
	return strings.Join(rapid.SliceOfN(line, 1, 80).Draw(t, "lines"), "\n")
}

func TestSplit_KeepsLimitOrderAndEveryCharacter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, limit := anyText(t), rapid.IntRange(80, 1200).Draw(t, "limit")
		parts, err := Split(text, id, limit)
		if err != nil {
			t.Fatal(err)
		}
		var bodies []string
		for i, p := range parts {
			if n := utf8.RuneCountInString(p); n > limit {
				t.Fatalf("part %d has %d characters, more than %d", i, n, limit)
			}
			bodies = append(bodies, body(t, p, i, len(parts)))
		}
		// Line ends at which it was cut are gone, nothing else.
		flat := func(s string) string { return strings.ReplaceAll(s, "\n", "") }
		if got, want := flat(strings.Join(bodies, "")), flat(text); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		wholeLines(t, text, bodies, limit)
	})
}

// body takes marks and id off a part.
func body(t *rapid.T, p string, i, n int) string {
	prefix, suffix := "", "\n["+id+"]"
	if n > 1 {
		prefix, suffix = fmt.Sprintf("(%d/%d) ", i+1, n), fmt.Sprintf("\n[%s-%d]", id, i+1)
	}
	rest, ok := strings.CutPrefix(p, prefix)
	rest, too := strings.CutSuffix(rest, suffix)
	if !ok || !too {
		t.Fatalf("part %d of %d has no %q or %q: %q", i+1, n, prefix, suffix, p)
	}
	return rest
}

// wholeLines: a line that has room in a part is in one piece.
func wholeLines(t *rapid.T, text string, bodies []string, limit int) {
	var lines []string
	for _, b := range bodies {
		lines = append(lines, strings.Split(b, "\n")...)
	}
	room := limit - overhead(id, 3)
	for line := range strings.SplitSeq(text, "\n") {
		if n := utf8.RuneCountInString(line); n > 0 && n <= room && !slices.Contains(lines, line) {
			t.Fatalf("the line %q is in pieces", line)
		}
	}
}

// Nine parts become ten, and 99 become 100, by the digit that the last one needs.
func TestSplit_CountsTheDigitsOfItsMarks(t *testing.T) {
	t.Parallel()
	for _, around := range []int{250, 2400} {
		for n := around - 100; n < around+100; n++ {
			parts, err := Split(strings.Repeat("x", n), "id", 40)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				if len(p) > 40 {
					t.Fatalf("text of %d: a part of %d characters: %q", n, len(p), p)
				}
			}
		}
	}
}
