package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sluice"
)

// parse reads text into v, the value of field f, and checks the limits of f.
// On an error v is unchanged. Errors of secrets never contain text.
func parse(v reflect.Value, f field, text string) error {
	switch {
	case f.typ == reflect.TypeFor[Secret]():
		return parseSecret(v, text)
	case f.typ == reflect.TypeFor[URL]():
		return parseURLField(v, f, text)
	case f.has("never") && text == "never":
		v.SetInt(sluice.Never)
		return nil
	}
	switch f.typ.Kind() {
	case reflect.String:
		return parseText(v, f, text)
	case reflect.Bool:
		return parseBool(v, text)
	case reflect.Int, reflect.Int64:
		return parseNumber(v, f, text)
	}
	panic(fmt.Sprintf("config: key %s has a type without parser", f.key)) //nolint:forbidigo // a mistake in this package
}

func parseSecret(v reflect.Value, text string) error {
	if strings.ContainsRune(text, 0) {
		return errors.New("a secret must not contain NUL")
	}
	v.Set(reflect.ValueOf(NewSecret(text)))
	return nil
}

func parseURLField(v reflect.Value, f field, text string) error {
	u, err := ParseURL(text)
	if err != nil {
		return err
	}
	schemes := strings.Fields(f.tag.Get("schemes"))
	if !slices.Contains(schemes, u.Scheme()) {
		return fmt.Errorf("the scheme %s is not allowed; use %s://", quote(u.Scheme()), strings.Join(schemes, ":// or "))
	}
	v.Set(reflect.ValueOf(u))
	return nil
}

func parseBool(v reflect.Value, text string) error {
	if text != "true" && text != "false" {
		return fmt.Errorf("%s is not a truth value; use true or false", quote(text))
	}
	v.SetBool(text == "true")
	return nil
}

// parseNumber reads integers, sizes and durations, which differ only in how
// they are written.
func parseNumber(v reflect.Value, f field, text string) error {
	n, err := number(f, text)
	if err != nil {
		return err
	}
	low, hasLow := limit(f, "min")
	high, hasHigh := limit(f, "max")
	if hasLow && n < low || hasHigh && n > high {
		return fmt.Errorf("%s is not allowed; use %s", text, allowed(f, hasLow, hasHigh))
	}
	v.SetInt(n)
	return nil
}

// allowed writes the limits of f: `1 or more`, `1 to 65535`, `1 or more, or never`.
func allowed(f field, hasLow, hasHigh bool) string {
	var s string
	switch {
	case hasLow && hasHigh:
		s = f.tag.Get("min") + " to " + f.tag.Get("max")
	case hasLow:
		s = f.tag.Get("min") + " or more"
	default:
		s = f.tag.Get("max") + " or less"
	}
	if f.has("never") {
		s += ", or never"
	}
	return s
}

// limit reads the limit in the given tag. One that does not parse is a mistake
// in this package and panics.
func limit(f field, tag string) (n int64, ok bool) {
	text, ok := f.tag.Lookup(tag)
	if !ok {
		return 0, false
	}
	n, err := number(f, text)
	if err != nil {
		panic(fmt.Sprintf("config: %s of %s: %v", tag, f.key, err)) //nolint:forbidigo // a mistake in this package
	}
	return n, true
}

func number(f field, text string) (int64, error) {
	switch {
	case f.typ == reflect.TypeFor[time.Duration]():
		d, err := parseDuration(text)
		return int64(d), err
	case f.has("size"):
		return parseSize(text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is too large", quote(text))
	case err != nil:
		return 0, fmt.Errorf("%s is not an integer", quote(text))
	}
	return n, nil
}

var days = regexp.MustCompile(`^(-?)(\d+)d(.*)$`)

// parseDuration reads what time.ParseDuration reads, with whole days in front:
// 7d, 1d12h.
func parseDuration(text string) (time.Duration, error) {
	rest, negative, whole := text, false, time.Duration(0)
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil || n > int64(math.MaxInt64/(24*time.Hour)) {
			return 0, fmt.Errorf("%s is too long", quote(text))
		}
		negative = m[1] == "-"
		whole, rest = time.Duration(n)*24*time.Hour, m[3]
	}
	if rest == "" && whole != 0 {
		rest = "0s"
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil && text != "" && strings.Trim(text, "0123456789.") == "":
		return 0, fmt.Errorf("%s has no unit; write %ss, or ms, m, h, d", quote(text), text)
	case err != nil, whole != 0 && d < 0:
		return 0, fmt.Errorf("%s is not a duration; write it like 500ms, 10s, 1m30s, 12h or 7d", quote(text))
	case d > 0 && whole > math.MaxInt64-d:
		return 0, fmt.Errorf("%s is too long", quote(text))
	}
	if negative {
		return -(whole + d), nil
	}
	return whole + d, nil
}

// units of sizes, the largest first.
var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// parseSize reads bytes: an integer, or one with KiB, MiB or GiB.
func parseSize(text string) (int64, error) {
	digits, unit := text, int64(1)
	for _, u := range units {
		if before, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = strings.TrimSpace(before), u.bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n > math.MaxInt64/unit || n < math.MinInt64/unit):
		return 0, fmt.Errorf("%s is too large", quote(text))
	case err != nil:
		return 0, fmt.Errorf("%s is not a size; write bytes, or an integer with KiB, MiB or GiB, like 64KiB", quote(text))
	}
	return n * unit, nil
}

func parseText(v reflect.Value, f field, text string) error {
	if err := checkText(f, text); err != nil {
		return err
	}
	if f.has("address") && text == "off" {
		text = ""
	}
	v.SetString(text)
	return nil
}

const nameRule = "use letters, digits, dot, underscore and hyphen, at most 64, a letter or digit first"

func checkText(f field, text string) error {
	words := strings.Fields(f.tag.Get("oneof"))
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return errors.New("text must be UTF-8 without NUL")
	case len(words) > 0 && !slices.Contains(words, text):
		return fmt.Errorf("%s is unknown; %s", quote(text), suggest(text, words))
	case f.has("name") && !sluice.ValidName(text):
		return fmt.Errorf("%s is not a name; %s", quote(text), nameRule)
	case f.has("prefix") && !sluice.ValidName(text+"100000"):
		return fmt.Errorf("%s followed by six digits is not a name; %s", quote(text), nameRule)
	case f.has("address"):
		return checkAddress(text)
	case f.has("path") && text == "":
		return errors.New("a path is wanted")
	}
	return nil
}

func checkAddress(text string) error {
	if text == "off" {
		return nil
	}
	_, port, err := net.SplitHostPort(text)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n > 65535 {
		return fmt.Errorf("%s is not an address to listen on; write :9464 or 127.0.0.1:9464, or off", quote(text))
	}
	return nil
}

// quote shows what the user wrote, escaped and not too long.
func quote(text string) string {
	const most = 64
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strconv.Quote(text)
}
