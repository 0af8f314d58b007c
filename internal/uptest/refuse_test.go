package uptest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUp_SecondOnTheSameData_IsRefused(t *testing.T) {
	t.Parallel()
	first := newSite(t, 0, "")
	first.awaitUp()
	second := newSite(t, 0, "")
	second.awaitUp()
	second.Terminate()
	second.plan.Dir = first.plan.Dir
	second.start()
	second.fails("has it open")
	if rows, err := first.rows(); err != nil {
		t.Errorf("the first one: %d rows, %v", len(rows), err)
	}
}

func TestUp_FileIsCorrupt_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, 0, "")
	s.awaitUp()
	s.Terminate()
	path := filepath.Join(s.plan.Dir, "sluice.db")
	if err := os.WriteFile(path, []byte("this is no database, it is only a text of some length, which nobody can use\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.fails(path)
}

func TestUp_AddressInUse_IsRefused(t *testing.T) {
	t.Parallel()
	first := newSite(t, 0, "")
	first.awaitUp()
	second := newSite(t, 0, "")
	second.awaitUp()
	second.Terminate()
	second.plan.Config = first.plan.Config
	second.start()
	second.fails("use --listen with another one")
}

// fails waits until the process has ended with an error that has a text.
func (s *site) fails(text string) {
	s.t.Helper()
	if code := s.AwaitExit(); code != 1 || s.Logged(text) == 0 {
		s.t.Errorf("status %d, and not %q in its log", code, text)
	}
}
