package sluice

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Filter is a topic filter of MQTT [MQTT 4.7] with named captures: the levels
// `+` and `{name}` match any one level, `#` as the last level matches the rest,
// anything else matches itself. A first level of `+`, `{name}` or `#` does not
// match topics that begin with `$`.
type Filter struct {
	pattern string
	levels  []level
}

// level is one part of a filter. Its kind orders filters by specificity.
type level struct {
	kind levelKind
	text string // of a literal, or the name of a capture
}

type levelKind int

const (
	multi  levelKind = iota // #
	end                     // behind the last level, for comparing
	single                  // + or {name}
	literal
)

// ParseFilter reads a filter such as `data/sensor/{device}`.
func ParseFilter(pattern string) (Filter, error) {
	f := Filter{pattern: pattern}
	switch {
	case pattern == "":
		return f, errors.New("topic filter is empty")
	case len(pattern) > MaxTopic:
		return f, fmt.Errorf("topic filter is longer than %d bytes", MaxTopic)
	case !utf8.ValidString(pattern), strings.ContainsRune(pattern, 0):
		return f, fmt.Errorf("topic filter %q: not valid UTF-8 or contains NUL", pattern)
	case strings.HasPrefix(pattern, "$share/"):
		return f, fmt.Errorf("topic filter %q: shared subscriptions bypass the broker's ACL; use the plain filter", pattern)
	}
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		l, err := parseLevel(part)
		if err != nil {
			return f, fmt.Errorf("topic filter %q: %w", pattern, err)
		}
		if l.kind == multi && i != len(parts)-1 {
			return f, fmt.Errorf("topic filter %q: # must be the last level", pattern)
		}
		f.levels = append(f.levels, l)
	}
	return f, f.checkCaptures()
}

func parseLevel(part string) (level, error) {
	switch {
	case part == "#":
		return level{kind: multi}, nil
	case part == "+":
		return level{kind: single}, nil
	case strings.HasPrefix(part, "{") && strings.HasSuffix(part, "}") && isCaptureName(part[1:len(part)-1]):
		return level{kind: single, text: part[1 : len(part)-1]}, nil
	case strings.ContainsAny(part, "+#{}"):
		return level{}, fmt.Errorf("level %q: +, # and {name} must be a whole level, a name is a-z, 0-9 and _", part)
	}
	return level{kind: literal, text: part}, nil
}

func isCaptureName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func (f Filter) checkCaptures() error {
	seen := map[string]bool{}
	for _, l := range f.levels {
		if l.kind != single || l.text == "" {
			continue
		}
		if seen[l.text] {
			return fmt.Errorf("topic filter %q: capture {%s} appears twice", f.pattern, l.text)
		}
		seen[l.text] = true
	}
	return nil
}

// String returns the filter as it was written.
func (f Filter) String() string { return f.pattern }

// Subscription returns the filter as MQTT writes it, each capture as `+`.
func (f Filter) Subscription() string {
	parts := make([]string, len(f.levels))
	for i, l := range f.levels {
		switch l.kind {
		case multi:
			parts[i] = "#"
		case single:
			parts[i] = "+"
		default:
			parts[i] = l.text
		}
	}
	return strings.Join(parts, "/")
}

// Match tells whether the filter matches a topic name. The zero Filter matches
// none.
func (f Filter) Match(topic string) bool {
	_, ok := f.walk(topic, -1)
	return ok
}

// Capture returns what {name} stands for in topic; ok is false when the filter
// does not match or has no such capture.
func (f Filter) Capture(topic, name string) (value string, ok bool) {
	for i, l := range f.levels {
		if l.kind == single && l.text == name && name != "" {
			return f.walk(topic, i)
		}
	}
	return "", false
}

// walk compares topic with the filter level by level and returns the part of
// topic at level want.
func (f Filter) walk(topic string, want int) (value string, ok bool) {
	if strings.HasPrefix(topic, "$") && f.kindAt(0) != literal {
		return "", false
	}
	rest, more := topic, true
	for i, l := range f.levels {
		if l.kind == multi { // also matches the parent level [MQTT 4.7.1.2]
			return value, true
		}
		if !more {
			return "", false
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if l.kind == literal && l.text != part {
			return "", false
		}
		if i == want {
			value = part
		}
	}
	if more {
		return "", false
	}
	return value, true
}

// compare orders filters by specificity: positive when f is the more specific
// one. The first level in which two filters differ in kind decides: a literal
// before a single wildcard before the end before `#`. 0 means that neither is:
// then they match the same topics or none in common.
func (f Filter) compare(g Filter) int {
	for i := range max(len(f.levels), len(g.levels)) {
		if d := f.kindAt(i) - g.kindAt(i); d != 0 {
			return int(d)
		}
	}
	return 0
}

func (f Filter) kindAt(i int) levelKind {
	if i < len(f.levels) {
		return f.levels[i].kind
	}
	return end
}
