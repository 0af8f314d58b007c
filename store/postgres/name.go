package postgres

import (
	"strings"
	"unicode/utf8"

	"sluice"
)

// text returns s as PostgreSQL can hold it: what is not UTF-8, and NUL, becomes
// U+FFFD.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// shortText is text, cut to at most sluice.MaxName bytes.
func shortText(s string) string {
	s = text(s)
	if len(s) <= sluice.MaxName {
		return s
	}
	n := sluice.MaxName
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
