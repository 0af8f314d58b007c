package access

import (
	"iter"
	"strings"
)

// names are what %u and %c stand for: the user and the client id. The client
// chooses at least one of them, so they are not to be trusted.
type names struct {
	user, client string
	replacer     *strings.Replacer // one pass: what a name contains is not replaced
}

func newNames(user, client string) names {
	return names{user, client, strings.NewReplacer("%u", user, "%c", client)}
}

// grant fills the names into a pattern that grants something; ok is false when
// it grants nothing to them.
func (n names) grant(text string) (f filter, ok bool) {
	if strings.ContainsAny(n.user+n.client, "+#") {
		return nil, false
	}
	for variable, name := range n.used(text) {
		if name == "" || strings.Contains(name, "/") {
			return nil, false
		}
		if strings.HasPrefix(text, variable) && name[0] == '$' {
			return nil, false
		}
	}
	return cutFilter(n.replacer.Replace(text)), true
}

// deny fills the names into a pattern that denies; ok is false when it is not
// about them, since it needs a name that they have not. A name that could not be
// one level denies everything from its level on.
func (n names) deny(text string) (f filter, ok bool) {
	for i, level := range cutFilter(text) {
		for _, name := range n.used(level) {
			if name == "" {
				return nil, false
			}
			if strings.ContainsAny(name, "/+#") {
				return append(f[:i:i], "#"), true
			}
		}
		f = append(f, n.replacer.Replace(level))
	}
	return f, true
}

// used yields the variables in a text, each with its name.
func (n names) used(text string) iter.Seq2[string, string] {
	return func(yield func(variable, name string) bool) {
		if strings.Contains(text, "%u") && !yield("%u", n.user) {
			return
		}
		if strings.Contains(text, "%c") {
			yield("%c", n.client)
		}
	}
}
