package testenv

import (
	"os"
	"strconv"
	"testing"
)

// Number returns the number above 0 in an environment variable, by which a test is made
// longer, else def.
func Number(t testing.TB, name string, def int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number above 0", name, text)
	}
	return n
}
