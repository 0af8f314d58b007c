package config

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
		err  string
	}{
		{text: "5ms", want: 5 * time.Millisecond},
		{text: "1m30s", want: 90 * time.Second},
		{text: "0", want: 0},
		{text: "7d", want: 168 * time.Hour},
		{text: "0d", err: "not a duration"},
		{text: "1d12h", want: 36 * time.Hour},
		{text: "-1d1h", want: -25 * time.Hour},
		{text: "1d-1h", err: "not a duration"},
		{text: "1.5d", err: "not a duration"},
		{text: "10", err: `"10" has no unit; write 10s`},
		{text: "10 s", err: "not a duration"},
		{text: "", err: "not a duration"},
		{text: "never", err: "not a duration"},
		{text: "99999999d", err: "too long"},
		{text: "106751d24h", err: "too long"},
		{text: "999999999999999999999d", err: "too long"},
	}
	for _, tt := range tests {
		got, err := parseDuration(tt.text)
		checkResult(t, tt.text, got, tt.want, err, tt.err)
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		text string
		want int64
		err  string
	}{
		{text: "0", want: 0},
		{text: "61440", want: 61440},
		{text: "64KiB", want: 64 << 10},
		{text: "8 MiB", want: 8 << 20},
		{text: "1GiB", want: 1 << 30},
		{text: "-1KiB", want: -1 << 10},
		{text: "8589934591GiB", want: math.MaxInt64 - 1<<30 + 1},
		{text: "8589934592GiB", err: "too large"},
		{text: "99999999999999999999", err: "too large"},
		{text: "60KB", err: "not a size"},
		{text: "1.5MiB", err: "not a size"},
		{text: "KiB", err: "not a size"},
		{text: "", err: "not a size"},
	}
	for _, tt := range tests {
		got, err := parseSize(tt.text)
		checkResult(t, tt.text, got, tt.want, err, tt.err)
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "1", "B_2": "two", "EMPTY": "", "NESTED": "${A}"}
	tests := []struct{ text, want, err string }{
		{text: "", want: ""},
		{text: "plain $A $$ }", want: "plain $A $$ }"},
		{text: "${A}", want: "1"},
		{text: "x${A}y${B_2}z", want: "x1ytwoz"},
		{text: "${EMPTY}", want: ""},
		{text: "${EMPTY:-d}", want: "d"},
		{text: "${NO:-a:-b}", want: "a:-b"},
		{text: "${NO:-}", want: ""},
		{text: "${NESTED}", want: "${A}"},
		{text: "$${A}", want: "${A}"},
		{text: "$${", want: "${"},
		{text: "${NO}", err: "the variable NO is not set"},
		{text: "${A", err: "without }"},
		{text: "${}", err: "not a name"},
		{text: "${1A}", err: "not a name"},
		{text: "${A B}", err: "not a name"},
		{text: "${NO:-${A}}", err: "another ${"},
	}
	for _, tt := range tests {
		got, err := expand(tt.text, env)
		checkResult(t, tt.text, got, tt.want, err, tt.err)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"interval", "jitter", "max", "max_bytes"}
	tests := []struct{ got, want string }{
		{"intervall", "did you mean interval?"},
		{"INTERVAL", "did you mean interval?"},
		{"mx", "did you mean max?"},
		{"max-bytes", "did you mean max_bytes?"},
		{"spread", "use one of interval, jitter, max, max_bytes"},
		{strings.Repeat("x", 200), "use one of interval, jitter, max, max_bytes"},
	}
	for _, tt := range tests {
		if got := suggest(tt.got, known); got != tt.want {
			t.Errorf("suggest(%q): got %q, want %q", tt.got, got, tt.want)
		}
	}
	if got, want := suggest("x", nil), "there is none"; got != want {
		t.Errorf("suggest without names: got %q, want %q", got, want)
	}
}

// checkResult compares what a parser returned for text; fault is a part of the
// error wanted, "" for none.
func checkResult[T comparable](t *testing.T, text string, got, want T, err error, fault string) {
	t.Helper()
	switch {
	case fault == "" && err != nil:
		t.Errorf("%q: unexpected error %v", text, err)
	case fault != "" && (err == nil || !strings.Contains(err.Error(), fault)):
		t.Errorf("%q: got error %v, want one with %q", text, err, fault)
	case got != want:
		t.Errorf("%q: got %v, want %v", text, got, want)
	}
}
