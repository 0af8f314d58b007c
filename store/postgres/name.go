package postgres

import (
	"strings"
	"unicode/utf8"
)

const (
	maxName  = 64
	nameRule = "a name is 1 to 64 characters A-Z, a-z, 0-9, '.', '_' or '-', the first a letter or digit"
)

// validName holds the rule for names of devices and facilities.
func validName[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > maxName || !alphanumeric(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !alphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	lower := c | 0x20
	return lower-'a' < 26 || c-'0' < 10
}

// text returns s as PostgreSQL can hold it: what is not UTF-8, and NUL, becomes
// U+FFFD.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// shortText is text, cut to at most maxName bytes.
func shortText(s string) string {
	s = text(s)
	if len(s) <= maxName {
		return s
	}
	n := maxName
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
