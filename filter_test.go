package sluice

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func mustFilter(t testing.TB, pattern string) Filter {
	t.Helper()
	f, err := ParseFilter(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseFilter_Faults(t *testing.T) {
	t.Parallel()
	tests := []struct{ pattern, want string }{
		{"", "is empty"},
		{strings.Repeat("a", MaxTopic+1), "longer than 65535 bytes"},
		{"a\xff", "not valid UTF-8"},
		{"a\x00b", "contains NUL"},
		{"$share/group/data", "shared subscriptions"},
		{"sport/tennis#", `level "tennis#"`},
		{"sport/tennis/#/ranking", "# must be the last level"},
		{"#/", "# must be the last level"},
		{"sport+", `level "sport+"`},
		{"sport/+x/y", `level "+x"`},
		{"data/{", `level "{"`},
		{"data/{}", `level "{}"`},
		{"data/{device", `level "{device"`},
		{"data/x{device}", `level "x{device}"`},
		{"data/{Device}", `level "{Device}"`},
		{"data/{a}{b}", `level "{a}{b}"`},
		{"data/{a-b}", `level "{a-b}"`},
		{"{a}/{a}", "capture {a} appears twice"},
	}
	for _, test := range tests {
		_, err := ParseFilter(test.pattern)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40q: got error %v, want %q", test.pattern, err, test.want)
		}
	}
}

func TestFilter_Subscription(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"data/sensor": "data/sensor", "data/{device}": "data/+", "{a}/x/{b}/#": "+/x/+/#", "+/+": "+/+", "#": "#", "/": "/", "$SYS/+": "$SYS/+",
	} {
		f := mustFilter(t, pattern)
		if got := f.Subscription(); got != want || f.String() != pattern {
			t.Errorf("%s: got subscription %s, string %s; want %s", pattern, got, f, want)
		}
	}
}

// TestFilter_Match has the examples of MQTT 4.7 and some more.
func TestFilter_Match(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern string
		match   []string
		not     []string
	}{
		{
			"sport/tennis/player1/#",
			[]string{"sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon", "sport/tennis/player1/"},
			[]string{"sport/tennis/player10", "sport/tennis", "sport"},
		},
		{"sport/#", []string{"sport", "sport/", "sport/a/b"}, []string{"sports", "Sport", "/sport"}},
		{"#", []string{"a", "a/b", "/", "/a", " "}, []string{"$SYS", "$SYS/a", "$"}},
		{"sport/tennis/+", []string{"sport/tennis/player1", "sport/tennis/"}, []string{"sport/tennis", "sport/tennis/player1/ranking"}},
		{"+", []string{"finance"}, []string{"/finance", "$SYS", "a/b"}},
		{"+/+", []string{"/finance", "a/b", "/"}, []string{"a", "a/b/c", "$SYS/a"}},
		{"/+", []string{"/finance", "/"}, []string{"finance", "//"}},
		{"sport/+", []string{"sport/"}, []string{"sport"}},
		{"+/monitor/Clients", []string{"a/monitor/Clients"}, []string{"$SYS/monitor/Clients"}},
		{"{x}/monitor", []string{"a/monitor"}, []string{"$SYS/monitor"}},
		{"$SYS/#", []string{"$SYS", "$SYS/a/b"}, []string{"a", "$SYSTEM"}},
		{"$SYS/monitor/+", []string{"$SYS/monitor/Clients"}, []string{"SYS/monitor/Clients"}},
		{"data/sensor", []string{"data/sensor"}, []string{"data", "data/sensor/", "data/sensor/x", "/data/sensor", "DATA/sensor"}},
		{"data/{device}", []string{"data/d1", "data/", "data/+", "data/$x"}, []string{"data", "data/d1/x"}},
		{"a//b", []string{"a//b"}, []string{"a/b", "a/x/b"}},
		{"a/+/#", []string{"a/b", "a/", "a/b/c"}, []string{"a"}},
	}
	for _, test := range tests {
		f := mustFilter(t, test.pattern)
		for _, topic := range test.match {
			if !f.Match(topic) {
				t.Errorf("%s does not match %s", test.pattern, topic)
			}
		}
		for _, topic := range test.not {
			if f.Match(topic) {
				t.Errorf("%s matches %s", test.pattern, topic)
			}
		}
	}
	if zero := (Filter{}); zero.Match("a") || zero.Match("$a") {
		t.Error("the zero Filter matches")
	}
}

func TestFilter_Capture(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, topic, name, want string
		ok                         bool
	}{
		{"data/{device}", "data/d1", "device", "d1", true},
		{"data/{device}", "data/", "device", "", true},
		{"data/{device}", "data/d1", "other", "", false},
		{"data/{device}", "data/d1", "", "", false},
		{"data/+", "data/d1", "", "", false},
		{"data/{device}", "lwt/d1", "device", "", false},
		{"data/{device}", "data/d1/x", "device", "", false},
		{"{site}/{line}/x/{device}/#", "s/l/x/d/a/b", "device", "d", true},
		{"{site}/{line}/x/{device}/#", "s/l/x/d/a/b", "site", "s", true},
		{"{site}/{line}/x/{device}/#", "s/l/x/d", "line", "l", true},
		{"data/device", "data/device", "device", "", false},
		{"{site}", "$SYS", "site", "", false},
	}
	for _, test := range tests {
		got, ok := mustFilter(t, test.pattern).Capture(test.topic, test.name)
		if got != test.want || ok != test.ok {
			t.Errorf("%s, topic %s, {%s}: got %q, %v, want %q, %v", test.pattern, test.topic, test.name, got, ok, test.want, test.ok)
		}
	}
}

// naiveMatch is the matching of MQTT by a regular expression.
func naiveMatch(subscription, topic string) bool {
	if strings.HasPrefix(topic, "$") && strings.ContainsAny(subscription[:1], "+#") {
		return false
	}
	expr := regexp.QuoteMeta(subscription)
	expr = strings.ReplaceAll(expr, `\+`, `[^/]*`)
	if expr == "#" {
		expr = ".*"
	} else if parent, ok := strings.CutSuffix(expr, "/#"); ok {
		expr = parent + "(/.*)?"
	}
	return regexp.MustCompile(`(?s)\A` + expr + `\z`).MatchString(topic)
}

// anyOf joins 1 to 4 random levels.
func anyOf(rnd *rand.Rand, levels ...string) string {
	parts := make([]string, 1+rnd.IntN(4))
	for i := range parts {
		parts[i] = levels[rnd.IntN(len(levels))]
	}
	return strings.Join(parts, "/")
}

// anyFilter returns a random valid filter.
func anyFilter(t testing.TB, rnd *rand.Rand) Filter {
	for {
		f, err := ParseFilter(anyOf(rnd, "a", "b", "", "+", "{x}", "{y}", "#", "$s"))
		if err == nil {
			return f
		}
	}
}

func anyTopic(rnd *rand.Rand) string {
	for {
		if topic := anyOf(rnd, "a", "b", "", "$s", "ab"); topic != "" {
			return topic
		}
	}
}

func TestFilter_MatchesLikeNaiveMatcher(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	matched := 0
	for range 20_000 {
		f, topic := anyFilter(t, rnd), anyTopic(rnd)
		got, want := f.Match(topic), naiveMatch(f.Subscription(), topic)
		if got != want {
			t.Fatalf("%s, topic %s: got %v, want %v", f, topic, got, want)
		}
		if got {
			matched++
		}
		value, ok := f.Capture(topic, "x")
		level := slices.Index(strings.Split(f.String(), "/"), "{x}")
		if ok != (want && level >= 0) || (ok && value != strings.Split(topic, "/")[level]) {
			t.Fatalf("%s, topic %s: got capture %q, %v", f, topic, value, ok)
		}
	}
	if matched < 1000 {
		t.Errorf("only %d pairs matched: the test says little", matched)
	}
}

// TestFilter_Compare_IsStrictWeakOrder is what sorting needs to be consistent.
func TestFilter_Compare_IsStrictWeakOrder(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(2, 2))
	sign := func(a, b Filter) int {
		c := a.compare(b)
		return min(1, max(-1, c))
	}
	for range 50_000 {
		a, b, c := anyFilter(t, rnd), anyFilter(t, rnd), anyFilter(t, rnd)
		if sign(a, a) != 0 || sign(a, b) != -sign(b, a) {
			t.Fatalf("not antisymmetric: %s, %s", a, b)
		}
		if sign(a, b) >= 0 && sign(b, c) >= 0 && sign(a, c) != max(sign(a, b), sign(b, c)) {
			t.Fatalf("not transitive: %s, %s, %s", a, b, c)
		}
	}
}

// TestFilter_Compare_PrefersTheNarrower: a filter all of whose topics another
// one matches too, but not the other way round, is the more specific one. And
// filters that tie never match the same topic unless they match the same topics.
func TestFilter_Compare_PrefersTheNarrower(t *testing.T) {
	t.Parallel()
	var topics []string
	levels := []string{"a", "b", "", "$s"}
	var build func(prefix string, depth int)
	build = func(prefix string, depth int) {
		for _, l := range levels {
			topic := prefix + l
			if topic != "" {
				topics = append(topics, topic)
			}
			if depth > 1 {
				build(topic+"/", depth-1)
			}
		}
	}
	build("", 5) // one more level than the filters have
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 2_000 {
		f, g := anyFilter(t, rnd), anyFilter(t, rnd)
		onlyF, onlyG, both := 0, 0, 0
		for _, topic := range topics {
			switch inF, inG := f.Match(topic), g.Match(topic); {
			case inF && inG:
				both++
			case inF:
				onlyF++
			case inG:
				onlyG++
			}
		}
		c := f.compare(g)
		switch {
		case both == 0:
		case onlyF == 0 && onlyG > 0 && c <= 0:
			t.Fatalf("%s is within %s, but compares as %d", f, g, c)
		case onlyG == 0 && onlyF > 0 && c >= 0:
			t.Fatalf("%s is within %s, but compares as %d", g, f, -c)
		case c == 0 && (onlyF > 0 || onlyG > 0):
			t.Fatalf("%s and %s overlap, but neither wins", f, g)
		}
	}
}

func TestFilter_Compare_Winners(t *testing.T) {
	t.Parallel()
	for _, chain := range [][]string{
		{"data/sensor", "data/{x}", "data/#", "+/sensor", "+/+", "+/#", "#"},
		{"data/sensor/d1", "data/sensor/+", "data/sensor", "data/sensor/#", "data/+/d1", "data/#"},
		{"a/b/#", "a/+/c", "a/+", "a/+/#"},
	} {
		for i, f := range chain[:len(chain)-1] {
			for _, g := range chain[i+1:] {
				if mustFilter(t, f).compare(mustFilter(t, g)) <= 0 {
					t.Errorf("%s is not more specific than %s", f, g)
				}
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"data/{device}", "#", "+/+", "$SYS/#", "a//", "{a}/{b}", "$share/g/x"} {
		f.Add(s, "data/d1")
	}
	f.Fuzz(func(t *testing.T, pattern, topic string) {
		filter, err := ParseFilter(pattern)
		if err != nil {
			return
		}
		plain, err := ParseFilter(filter.Subscription())
		if err != nil {
			t.Fatalf("%q: subscription: %v", pattern, err)
		}
		match := filter.Match(topic)
		if match != plain.Match(topic) || filter.compare(plain) != 0 {
			t.Fatalf("%q and its subscription %q differ", pattern, plain)
		}
		for _, l := range filter.levels {
			value, ok := filter.Capture(topic, l.text)
			if l.kind == single && l.text != "" && ok != match || strings.Contains(value, "/") {
				t.Fatalf("%q, topic %q: capture {%s} is %q, %v", pattern, topic, l.text, value, ok)
			}
		}
	})
}
