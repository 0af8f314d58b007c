package presence

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFault = errors.New("fault")

// inBubble runs a test in virtual time, in parallel with others. When it ends
// every goroutine of the bubble must be gone.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// wait lets virtual time pass.
func wait(d time.Duration) { <-time.After(d) }

// advance lets virtual time pass and everything settle.
func advance(d time.Duration) {
	wait(d)
	synctest.Wait()
}

// running runs something until the test ends or stop is called, which waits for
// it.
func running(t *testing.T, run func(ctx context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}
