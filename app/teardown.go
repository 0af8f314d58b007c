package app

import (
	"log/slog"
	"slices"
)

// teardown closes what a service acquired, last first. Each entry is added
// right after its acquire, with a name for the log.
type teardown struct {
	log   *slog.Logger
	steps []step
}

type step struct {
	name  string
	close func() error
}

func (t *teardown) add(name string, closer func() error) {
	t.steps = append(t.steps, step{name, closer})
}

// run closes everything; a failure is logged and stops nothing.
func (t *teardown) run() {
	for _, s := range slices.Backward(t.steps) {
		if err := s.close(); err != nil {
			t.log.Warn("close failed", "what", s.name, "err", err)
		}
	}
	t.steps = nil
}
