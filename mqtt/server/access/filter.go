package access

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxTopic is the limit of a topic in bytes [MQTT-4.7.3-3].
const maxTopic = 65535

// filter is a topic filter cut into levels [MQTT 4.7]. `+` matches any one
// level, `#` as the last one the rest and the level above it; neither matches a
// first level that begins with `$`.
type filter []string

// parseFilter checks a filter and cuts it into levels.
func parseFilter(text string) (filter, error) {
	switch {
	case text == "":
		return nil, errors.New("the topic filter is empty")
	case len(text) > maxTopic:
		return nil, fmt.Errorf("the topic filter is longer than %d bytes", maxTopic)
	case !utf8.ValidString(text), strings.ContainsFunc(text, unicode.IsControl):
		return nil, fmt.Errorf("topic filter %q: not UTF-8 or contains a control character", text)
	}
	f := cutFilter(text)
	for i, level := range f {
		last := i == len(f)-1
		if strings.ContainsAny(level, "+#") && level != "+" && (level != "#" || !last) {
			return nil, fmt.Errorf("topic filter %q: + and # must be a whole level, # the last", text)
		}
	}
	return f, nil
}

// cutFilter cuts a filter into levels. `+/#` becomes the `#` that it means, as
// every topic has a first level.
func cutFilter(text string) filter {
	if text == "+/#" {
		return filter{"#"}
	}
	return strings.Split(text, "/")
}

// match reports whether the filter matches a topic name.
func (f filter) match(topic string) bool {
	if f.misses(topic) {
		return false
	}
	rest, more := topic, true
	for _, level := range f {
		if level == "#" {
			return true
		}
		if !more {
			return false
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if level != "+" && level != part {
			return false
		}
	}
	return !more
}

// misses reports whether the first level is a wildcard, which matches nothing
// that begins with `$` [MQTT-4.7.2-1], and first begins so.
func (f filter) misses(first string) bool {
	return (f[0] == "+" || f[0] == "#") && strings.HasPrefix(first, "$")
}

// intersect returns the filter that matches exactly what f and g both match; ok
// is false when that is nothing.
func (f filter) intersect(g filter) (both filter, ok bool) {
	if f.misses(g[0]) || g.misses(f[0]) {
		return nil, false
	}
	for i := 0; ; i++ {
		switch {
		case i < len(f) && f[i] == "#":
			return append(both, g[i:]...), true
		case i < len(g) && g[i] == "#":
			return append(both, f[i:]...), true
		case i == len(f) || i == len(g):
			return both, len(f) == len(g)
		case f[i] == "+":
			both = append(both, g[i])
		case g[i] == "+" || g[i] == f[i]:
			both = append(both, f[i])
		default:
			return nil, false
		}
	}
}

// covers reports whether f matches all that g matches.
func (f filter) covers(g filter) bool {
	if f.misses(g[0]) {
		return false
	}
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i == len(g) || g[i] == "#":
			return false
		case level != "+" && level != g[i]:
			return false
		}
	}
	return len(f) == len(g)
}
