package config

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces ${NAME} by the variable NAME and ${NAME:-text} by text when
// NAME is not set or empty. `$${` is a plain `${`. The values of variables are
// not expanded again, and every error names variables only, never values.
func expand(s string, env map[string]string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			out.WriteString(s)
			return out.String(), nil
		}
		if strings.HasSuffix(before, "$") {
			out.WriteString(before + "{")
			s = rest
			continue
		}
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("${ without }; write ${NAME} or ${NAME:-text}, or $${ for a plain ${")
		}
		value, err := lookup(inside, env)
		if err != nil {
			return "", err
		}
		out.WriteString(before + value)
		s = after
	}
}

// lookup returns the value of what stands between ${ and }.
func lookup(inside string, env map[string]string) (string, error) {
	name, text, hasDefault := strings.Cut(inside, ":-")
	value, set := env[name]
	switch {
	case !isVariable(name):
		return "", errors.New("what stands in ${...} is not a name; write ${NAME} or ${NAME:-text}, or $${ for a plain ${")
	case strings.Contains(text, "${"):
		return "", fmt.Errorf("${%s:-...} holds another ${; only plain text may stand there", name)
	case hasDefault && value == "":
		return text, nil
	case !set:
		return "", fmt.Errorf("the variable %s is not set; set it, or write ${%s:-text}", name, name)
	}
	return value, nil
}

// isVariable tells whether s is the name of an environment variable: letters,
// digits and underscores, no digit first.
func isVariable(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
