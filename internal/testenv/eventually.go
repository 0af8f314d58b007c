package testenv

import (
	"context"
	"testing"
	"time"
)

// Eventually calls check every few milliseconds until it returns nil, and fails
// the test with check's last error when it has not within the given time. It is
// how a test waits for what has no signal of its own.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var last error
	err := poll(ctx, func() (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("not within %v: %v", within, last)
	}
}
