package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/app"
)

// story notes what parts do.
type story struct {
	mu   sync.Mutex
	said []string
}

func (s *story) say(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, what)
}

func (s *story) is(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.said, want) {
		t.Errorf("got %q, want %q", s.said, want)
	}
}

// obedient is a part that works until it is told to end.
func (s *story) obedient(name string, err error) app.Part {
	return app.NewPart(name, func(ctx context.Context) error {
		<-ctx.Done()
		s.say(name)
		return err
	})
}

func TestRunParts_ContextEnds_LastEndsFirst(t *testing.T) {
	t.Parallel()
	var s story
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := app.RunParts(ctx, []app.Part{s.obedient("a", nil), s.obedient("b", nil), s.obedient("c", context.Canceled)}); err != nil {
		t.Error(err)
	}
	s.is(t, "c", "b", "a")
}

func TestRunParts_OneFails_AllEndAndItIsNamed(t *testing.T) {
	t.Parallel()
	var s story
	fails := app.NewPart("b", func(context.Context) error { return errors.New("address in use") })
	err := app.RunParts(t.Context(), []app.Part{s.obedient("a", nil), fails, s.obedient("c", errors.New("late"))})
	if err == nil || !strings.Contains(err.Error(), "b: address in use") || !strings.Contains(err.Error(), "c: late") {
		t.Errorf("got %v", err)
	}
	s.is(t, "c", "a")
}
