package safefile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"sluice/internal/safefile"
)

func TestCreate_KeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	must(t, safefile.Create(path, []byte("first"), 0o600))
	if err := safefile.Create(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that it exists", err)
	}
	holds(t, path, "first", 0o600)
}

func TestReplace_GivesANewFileItsPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	must(t, safefile.Replace(path, []byte("x"), 0o600))
	holds(t, path, "x", 0o600)
}

func TestReplace_KeepsPermissionsButThoseOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ was, mode, want fs.FileMode }{
		{0o644, 0o600, 0o640},
		{0o640, 0o600, 0o640},
		{0o644, 0o644, 0o644},
		{0o600, 0o644, 0o600},
		{0o400, 0o600, 0o600},
	} {
		path := filepath.Join(t.TempDir(), "a")
		must(t, os.WriteFile(path, []byte("old"), 0o600))
		must(t, os.Chmod(path, c.was))
		must(t, safefile.Replace(path, []byte("new"), c.mode))
		holds(t, path, "new", c.want)
	}
}

func TestReplace_FollowsALinkAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "a"), filepath.Join(dir, "link")
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	must(t, os.Symlink("a", link))
	must(t, safefile.Replace(link, []byte("new"), 0o600))
	holds(t, path, "new", 0o600)
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is none any more: %v, %v", info, err)
	}
	if err := safefile.Replace(dir, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%d entries, want 2; %v", len(entries), err)
	}
}

// A reader that has the old file open goes on reading it.
func TestReplace_DoesNotWriteInPlace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, safefile.Replace(path, []byte("new"), 0o600))
	got := make([]byte, 3)
	if _, err := f.Read(got); err != nil || string(got) != "old" {
		t.Errorf("got %q, %v, want the old content", got, err)
	}
}

func TestLock_IsHeldByOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var holders atomic.Int32
	var all errgroup.Group
	for range 8 {
		all.Go(func() error {
			for range 50 {
				unlock, err := safefile.Lock(dir)
				if err != nil {
					return err
				}
				if holders.Add(1) != 1 {
					err = errors.New("two hold it")
				}
				runtime.Gosched()
				holders.Add(-1)
				unlock()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, all.Wait())
	if _, err := safefile.Lock(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was locked")
	}
}

func holds(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if string(got) != text || info.Mode().Perm() != mode {
		t.Errorf("got %q, %v, want %q, %v", got, info.Mode().Perm(), text, mode)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
