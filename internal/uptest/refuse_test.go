package uptest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sluice/app"
	"sluice/internal/litefile"
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

func TestUp_FileIsOfANewerVersion_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, 0, "")
	s.awaitUp()
	s.Terminate()
	file, err := litefile.Open(filepath.Join(s.plan.Dir, app.UpFile))
	if err != nil {
		t.Fatal(err)
	}
	c, err := file.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec(`UPDATE schema SET version = 99 WHERE part = 'rows'`), c.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.fails("newer version of sluice")
}

func TestUp_FolderCannotBeWritten_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, 0, "")
	s.awaitUp()
	s.Terminate()
	s.plan.Dir = "/sys" // where nobody makes a file
	s.start()
	s.fails("it cannot be written")
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
