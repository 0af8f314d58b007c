package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// healthTimeout bounds the question of -healthcheck: longer than checkTimeout, so that
// a check that hangs is named.
const healthTimeout = 3 * time.Second

// healthcheck asks a process that runs on this machine whether it is ready, and returns
// the exit status: 0 and a word on stdout, or 1 and the reasons in one line on stderr.
func healthcheck(name string, p *pages, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	err := p.ready(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer at %s (%s) within %v", p.key, p.address, healthTimeout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: not ready: %s\n", name, oneLine(err.Error()))
		return ExitFailed
	}
	fmt.Fprintln(stdout, "ready")
	return ExitOK
}
