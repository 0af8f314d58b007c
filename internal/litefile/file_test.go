package litefile_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"go.uber.org/goleak"

	"sluice/internal/litefile"
)

// openPath is the variable of the environment that lets the test binary open a file
// and print the error.
const openPath = "LITEFILE_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(openPath); path != "" {
		fmt.Fprintln(os.Stdout, openAsNobody(path))
		return
	}
	goleak.VerifyTestMain(m)
}

// openAsNobody opens a file as a user that may not write everywhere.
func openAsNobody(path string) error {
	const nobody = 65534
	if os.Getuid() == 0 {
		if err := errors.Join(syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	}
	_, err := litefile.Open(path)
	return err
}

func open(t *testing.T, path string) *litefile.File {
	t.Helper()
	f, err := litefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func connect(t *testing.T, f *litefile.File) *sqlite3.Conn {
	t.Helper()
	c, err := f.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// made returns the path of a file with a table of some pages.
func made(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.db")
	f, err := litefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := f.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	step := `CREATE TABLE t (a BLOB); INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 20)`
	step = strings.ReplaceAll(step, `generate_series(1, 20)`, `(WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i FROM n)`)
	if err := f.Migrate(t.Context(), c, "part", []string{step}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string)
		says  []string
	}{
		"no database": {func(t *testing.T, path string) {
			write(t, path, 0, strings.Repeat("not a database. ", 300))
		}, []string{"no SQLite database", "move it away"}},
		"damaged header": {func(t *testing.T, path string) {
			write(t, path, 0, "xxxxxxxxxxxxxxxx")
		}, []string{"no SQLite database, or its beginning is damaged", "restore it"}},
		"damaged first page": {func(t *testing.T, path string) {
			write(t, path, 100, strings.Repeat("\xff", 3900))
		}, []string{"damaged", "restore it from a copy"}},
		"cut": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
		}, []string{"damaged"}},
		"another program's": {func(t *testing.T, path string) {
			sql(t, path, `PRAGMA application_id = 1`)
		}, []string{"another program", "use another path"}},
		"newer": {func(t *testing.T, path string) {
			sql(t, path, `PRAGMA user_version = 99`)
		}, []string{"newer version of sluice", "file version 99", "knows 1"}},
		"a folder": {func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, []string{"cannot be written"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := made(t)
			test.spoil(t, path)
			refused(t, path, append(test.says, path)...)
		})
	}
}

// refused checks that a file is refused for good, in those words.
func refused(t *testing.T, path string, says ...string) {
	t.Helper()
	f, err := litefile.Open(path)
	if err == nil {
		f.Close()
		t.Fatal("the file was opened")
	}
	if !errors.Is(err, litefile.ErrUnfit) {
		t.Errorf("%v: it is not told that waiting does not help", err)
	}
	for _, part := range says {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got error %q, want %q in it", err, part)
		}
	}
}

func write(t *testing.T, path string, at int64, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(text), at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func sql(t *testing.T, path, text string) {
	t.Helper()
	c, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec(text), c.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_WithoutFolder_IsRefused(t *testing.T) {
	t.Parallel()
	refused(t, filepath.Join(t.TempDir(), "none", "sluice.db"), "its folder does not exist", "make it")
}

func TestOpen_Twice_NamesTheOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.db")
	f := open(t, path)
	reachable(t, path)
	if err := os.Chmod(path+".lock", 0o666); err != nil { // the other process is not root
		t.Fatal(err)
	}
	owner := fmt.Sprintf("process %d on ", os.Getpid())
	refused(t, path, owner, "stop that process, or use another folder")
	if says := openElsewhere(t, path); !strings.Contains(says, owner) {
		t.Errorf("another process is told %q, want %q in it", says, owner)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path) // the lock is gone with its owner
}

// openElsewhere opens a file in another process, not as root, and returns the error.
func openElsewhere(t *testing.T, path string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), openPath+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("open the file in another process: %v\n%s", err, out)
	}
	return string(out)
}

func TestOpen_WhereItMayNotWrite_IsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"folder": func(path string) error {
			return errors.Join(os.Remove(path+".lock"), os.Chmod(filepath.Dir(path), 0o555))
		},
		"file": func(path string) error {
			return errors.Join(os.Chmod(path+".lock", 0o666), os.Chmod(filepath.Dir(path), 0o777), os.Chmod(path, 0o444))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := made(t)
			reachable(t, path)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o755) })
			if says := openElsewhere(t, path); !strings.Contains(says, "cannot be written: give the user that runs sluice the right") {
				t.Errorf("got %q", says)
			}
		})
	}
}

// reachable lets every user into the folders of a path.
func reachable(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMigrate_RunsEachStepOnce(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "sluice.db"))
	c := connect(t, f)
	steps := []string{`CREATE TABLE a (x)`, `INSERT INTO a VALUES (1)`}
	for n := range []int{0, 1, 2, 2} {
		if err := f.Migrate(t.Context(), c, "part", steps[:min(n, 2)]); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, c, `SELECT count(*) FROM a`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	err := f.Migrate(t.Context(), c, "part", steps[:1])
	if !errors.Is(err, litefile.ErrUnfit) || !strings.Contains(err.Error(), "part version 2, this program knows 1") {
		t.Errorf("got error %v, want one that says that the file is newer", err)
	}
	if err := f.Migrate(t.Context(), c, "other", []string{`CREATE TABLE b (x)`, `nonsense`}); err == nil || !strings.Contains(err.Error(), "step 2 of the tables of other") {
		t.Errorf("got error %v, want one that names the step", err)
	}
	if n := count(t, c, `SELECT count(*) FROM sqlite_schema WHERE name = 'b'`); n != 0 {
		t.Error("a failed migration left a table behind")
	}
}

func count(t *testing.T, c *sqlite3.Conn, query string) int64 {
	t.Helper()
	s, _, err := c.Prepare(query)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Step() {
		t.Fatal(s.Err())
	}
	return s.ColumnInt64(0)
}

func TestWrite_ThatFails_RollsBack(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "sluice.db"))
	c := connect(t, f)
	cause := errors.New("cause")
	err := f.Write(t.Context(), c, func() error { return errors.Join(c.Exec(`CREATE TABLE a (x)`), cause) })
	if !errors.Is(err, cause) {
		t.Errorf("got error %v, want %v", err, cause)
	}
	if n := count(t, c, `SELECT count(*) FROM sqlite_schema WHERE name = 'a'`); n != 0 || !c.GetAutocommit() {
		t.Error("a failed transaction left something behind")
	}
}

// Writers on connections of their own wait for each other and never see a busy file.
func TestWrite_FromManyConnections_TakesTurns(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "sluice.db"))
	first := connect(t, f)
	if err := f.Migrate(t.Context(), first, "part", []string{`CREATE TABLE n (x); INSERT INTO n VALUES (0)`}); err != nil {
		t.Fatal(err)
	}
	const writers, writes = 4, 50
	done := make(chan error, writers)
	for range writers {
		c := connect(t, f)
		go func() {
			var err error
			for range writes {
				err = errors.Join(err, f.Write(t.Context(), c, func() error { return c.Exec(`UPDATE n SET x = x + 1`) }))
			}
			done <- err
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := count(t, first, `SELECT x FROM n`); n != writers*writes {
		t.Errorf("%d writes are there, want %d", n, writers*writes)
	}
}
