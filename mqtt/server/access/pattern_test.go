package access

import (
	"strings"
	"testing"
)

func TestNames_FillPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		user, client, pattern string
		grant, deny           string // "-": says nothing
	}{
		{"u", "c", "a/%u/%c", "a/u/c", "a/u/c"},
		{"u", "c", "a/x%u-%c/#", "a/xu-c/#", "a/xu-c/#"},
		{"u", "c", "a/b", "a/b", "a/b"},
		{"u", "c", "%x/%%u", "%x/%u", "%x/%u"},
		{"%c", "%u", "%u/%c", "%c/%u", "%c/%u"}, // one pass
		{"", "c", "a/%u", "-", "-"},
		{"", "c", "a/%c", "a/c", "a/c"},
		{"u", "", "a/%c", "-", "-"},
		{"x/y", "c", "a/%u/b", "-", "a/#"},
		{"x/y", "c", "a/%c/b", "a/c/b", "a/c/b"},
		{"u", "x/y", "a/%c", "-", "a/#"},
		{"u", "x/y", "%c", "-", "#"},
		{"u", "x/y", "a/%u", "a/u", "a/u"},
		{"u+", "c", "a/b", "-", "a/b"},
		{"u", "#", "a/b", "-", "a/b"},
		{"u", "#", "a/p%c/b", "-", "a/#"},
		{"u", "+", "%u/%c", "-", "u/#"},
		{"$SYS", "c", "%u/x", "-", "$SYS/x"},
		{"u", "$SYS", "%c/x", "-", "$SYS/x"},
		{"$SYS", "c", "a/%u", "a/$SYS", "a/$SYS"},
	} {
		n := newNames(c.user, c.client)
		if got := filled(n.grant(c.pattern)); got != c.grant {
			t.Errorf("%+v: grant gives %q", c, got)
		}
		if got := filled(n.deny(c.pattern)); got != c.deny {
			t.Errorf("%+v: deny gives %q", c, got)
		}
	}
}

func filled(f filter, ok bool) string {
	if !ok {
		return "-"
	}
	return strings.Join(f, "/")
}

// Whatever a client calls itself, a pattern opens exactly the topics in which
// that name is one level.
func FuzzNames_NeverWidenAPattern(f *testing.F) {
	f.Add("u", "c", "other")
	f.Add("x/y", "+", "y")
	f.Add("%c", "#", "#")
	f.Add("$SYS", "", "broker")
	f.Fuzz(func(t *testing.T, user, client, other string) {
		a := &acl{patterns: []pattern{{read | write, "%u/data/%c/#"}, {write, "%c"}, {deny, "%u/data/%c/no"}}}
		r := a.rights(user, client)
		for _, topic := range []string{other, other + "/data/" + client, user + "/data/" + other, other + "/data/" + other + "/x"} {
			if !r.Write([]byte(topic)) {
				continue
			}
			levels := strings.Split(topic, "/")
			mine := len(levels) == 1 && topic == client ||
				len(levels) >= 3 && levels[0] == user && levels[1] == "data" && levels[2] == client
			if !mine || strings.HasPrefix(topic, "$") || strings.ContainsAny(user+client, "+#") {
				t.Fatalf("user %q, client %q may write %q", user, client, topic)
			}
		}
		if r.Write([]byte(user + "/data/" + client + "/no")) {
			t.Fatalf("user %q, client %q may write what is denied", user, client)
		}
	})
}
