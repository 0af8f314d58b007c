package store

import (
	"strings"
	"unicode/utf8"

	"sluice"
)

// Text returns s as databases can hold it: what is not UTF-8, and NUL, becomes
// U+FFFD.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// ShortText is Text, cut to at most sluice.MaxName bytes.
func ShortText(s string) string {
	s = Text(s)
	if len(s) <= sluice.MaxName {
		return s
	}
	n := sluice.MaxName
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
