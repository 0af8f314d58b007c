package access_test

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/mqtt/server/access"
)

// entry is a line of a password file.
func entry(user, password string, iterations int) string {
	salt := make([]byte, 12)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s:$7$%d$%s$%s\n", user, iterations,
		base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(key))
}

// doors is an Access with its files and log. A test that changes a file changes
// its size too: it does so within one tick of the file system's clock.
type doors struct {
	*access.Access

	t     *testing.T
	files access.Files
	log   *bytes.Buffer
}

func newDoors(t *testing.T, passwords, acl string) *doors {
	t.Helper()
	dir := t.TempDir()
	d := &doors{t: t, log: &bytes.Buffer{}}
	d.files = access.Files{Passwords: filepath.Join(dir, "passwords"), ACL: filepath.Join(dir, "acl")}
	mustWrite(t, d.files.Passwords, passwords)
	mustWrite(t, d.files.ACL, acl)
	a, err := access.Open(d.files, slog.New(slog.NewTextHandler(d.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	d.Access = a
	return d
}

// look lets a second pass, so that the next question looks at the files, and
// asks it. Only in a bubble of synctest.
func (d *doors) look() uint64 {
	<-time.After(time.Second)
	return d.Generation()
}

// settle lets a change be seen, and rest.
func (d *doors) settle() uint64 {
	d.look()
	return d.look()
}

func TestOpen_FilesDecideWhoComesIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passwords, acl := filepath.Join(dir, "passwords"), filepath.Join(dir, "acl")
	mustWrite(t, passwords, entry("u", "right", 1))
	mustWrite(t, acl, "topic read anonymous\nuser u\ntopic own\n")
	for _, c := range []struct {
		name                          string
		files                         access.Files
		nobody, right, wrong, strange bool // may come in
		own                           bool // u may write to own
		other                         bool // u may write to other
	}{
		{"no files", access.Files{}, true, true, true, true, true, true},
		{"passwords", access.Files{Passwords: passwords}, false, true, false, false, true, true},
		{"passwords, anonymous", access.Files{Passwords: passwords, AllowAnonymous: true}, true, true, false, false, true, true},
		{"both", access.Files{Passwords: passwords, ACL: acl}, false, true, false, false, true, false},
		{"ACL", access.Files{ACL: acl}, false, false, false, false, true, false},
		{"ACL, anonymous", access.Files{ACL: acl, AllowAnonymous: true}, true, false, false, false, true, false},
	} {
		a := mustOpen(t, c.files)
		for _, q := range []struct {
			user, password string
			want           bool
		}{{"", "", c.nobody}, {"u", "right", c.right}, {"u", "wrong", c.wrong}, {"stranger", "right", c.strange}} {
			if got := a.Authenticate(q.user, []byte(q.password)); got != q.want {
				t.Errorf("%s: %q with %q: got %t, want %t", c.name, q.user, q.password, got, q.want)
			}
		}
		r := a.Rights("u", "c")
		if got := r.Write([]byte("own")); got != c.own {
			t.Errorf("%s: write own: got %t, want %t", c.name, got, c.own)
		}
		for what, got := range map[string]bool{"write": r.Write([]byte("other")), "read": r.Read("other"), "subscribe": r.Subscribe("other/#")} {
			if got != c.other {
				t.Errorf("%s: %s other: got %t, want %t", c.name, what, got, c.other)
			}
		}
		if r.Write([]byte("$SYS/broker/uptime")) {
			t.Errorf("%s: a client may write to $SYS", c.name)
		}
	}
}

func TestOpen_TellsTheFaultsOfBothFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acl := filepath.Join(dir, "acl")
	mustWrite(t, acl, "topic\n")
	for passwords, want := range map[string]string{
		filepath.Join(dir, "absent"): "absent: cannot be read",
		dir:                          dir + ": cannot be read: not a regular file; check the path",
	} {
		_, err := access.Open(access.Files{Passwords: passwords, ACL: acl}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), acl+":1: no topic filter") {
			t.Errorf("got %v, want %s and the fault of the ACL file", err, want)
		}
	}
}

func TestAccess_EmptyACLFileGrantsNothing(t *testing.T) {
	t.Parallel()
	acl := filepath.Join(t.TempDir(), "acl")
	mustWrite(t, acl, "")
	r := mustOpen(t, access.Files{ACL: acl, AllowAnonymous: true}).Rights("", "c")
	if r.Write([]byte("a")) || r.Read("a") || r.Subscribe("#") {
		t.Error("an empty ACL file grants something")
	}
}

func TestAuthenticate_EmptyPasswordIsNeverRight(t *testing.T) {
	t.Parallel()
	passwords := filepath.Join(t.TempDir(), "passwords")
	mustWrite(t, passwords, entry("u", "", 1))
	a := mustOpen(t, access.Files{Passwords: passwords})
	if a.Authenticate("u", nil) || a.Authenticate("u", []byte{}) {
		t.Error("an empty password is right")
	}
}

func TestAccess_FollowsItsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t, entry("stays", "a", 1)+entry("changes", "a", 1)+entry("goes", "a", 1), "user stays\ntopic one\n")
		first := d.Generation()
		kept, err := os.ReadFile(d.files.Passwords)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(kept), "\n")
		mustWrite(t, d.files.Passwords, line+"\n"+entry("changes", "b", 1)+entry("comes", "a", 1))

		if got := d.Generation(); got != first {
			t.Error("the files are looked at within a second")
		}
		if got := d.look(); got != first {
			t.Error("a file is taken over before it has rested")
		}
		second := d.look()
		if second != first+1 {
			t.Fatalf("generation %d after a change, want %d", second, first+1)
		}
		for user, want := range map[string]bool{"stays": true, "changes": false, "goes": false, "": false} {
			if got := d.StillValid(user, first); got != want {
				t.Errorf("%q is still valid: %t, want %t", user, got, want)
			}
		}
		if !d.StillValid("changes", second) || !d.StillValid("comes", second) {
			t.Error("who came in with the new file may not stay")
		}
		if d.Authenticate("changes", []byte("a")) || !d.Authenticate("changes", []byte("b")) || d.Authenticate("goes", []byte("a")) {
			t.Error("the old passwords count")
		}

		before := d.Rights("stays", "c")
		mustWrite(t, d.files.ACL, "user stays\ntopic two\n\n")
		if third := d.settle(); third != second+1 || !d.StillValid("stays", first) {
			t.Errorf("generation %d, want %d, and nobody to leave for a new ACL", third, second+1)
		}
		after := d.Rights("stays", "c")
		if !before.Read("one") || after.Read("one") || !after.Read("two") {
			t.Error("rights are not those of the files when they were made")
		}
		if got := d.settle(); got != second+1 {
			t.Errorf("generation %d without a change, want %d", got, second+1)
		}
	})
}

func TestAccess_UserWhoLeftAndCameBackIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := entry("u", "a", 1)
		d := newDoors(t, line, "topic a\n")
		first := d.Generation()
		mustWrite(t, d.files.Passwords, "")
		d.settle()
		mustWrite(t, d.files.Passwords, line)
		second := d.settle()
		if d.StillValid("u", first) || !d.StillValid("u", second) {
			t.Errorf("generations %d and %d: the connection from before stays, or the new one does not", first, second)
		}
	})
}

func TestAccess_HalfWrittenFileIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half := entry("a", "a", 1)
		d := newDoors(t, half+entry("b", "b", 1), "topic a\n")
		first := d.Generation()
		for i := range 5 { // each time a valid file without user b
			mustWrite(t, d.files.Passwords, half+strings.Repeat("\n", i))
			if got := d.look(); got != first {
				t.Fatalf("generation %d while the file is being written, want %d", got, first)
			}
		}
	})
}

func TestAccess_BrokenFileIsLoggedOnceAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t, entry("u", "a", 1), "user u\ntopic a\n")
		first := d.Generation()
		mustWrite(t, d.files.ACL, "user u\ntopic nonsense b\n")
		for range 5 {
			d.look()
		}
		if got := strings.Count(d.log.String(), "level=ERROR"); got != 1 || !strings.Contains(d.log.String(), "acl:2: ") {
			t.Fatalf("%d errors logged, want 1 that says where:\n%s", got, d.log)
		}
		if d.Generation() != first || !d.Rights("u", "c").Read("a") {
			t.Error("a broken file changed the rules")
		}

		// The other file is followed all the same.
		mustWrite(t, d.files.Passwords, entry("v", "v", 1)+"\n")
		if d.settle() != first+1 || d.StillValid("u", first) || !d.Authenticate("v", []byte("v")) {
			t.Error("with a broken ACL file the password file is not followed")
		}

		os.Remove(d.files.Passwords)
		for range 5 {
			d.look()
		}
		if got := strings.Count(d.log.String(), "level=ERROR"); got != 2 || !d.Authenticate("v", []byte("v")) {
			t.Errorf("%d errors logged after the file was removed, want 2, and the rules to stay:\n%s", got, d.log)
		}
		mustWrite(t, d.files.ACL, "user u\ntopic b\n")
		if d.settle() != first+2 || !d.Rights("u", "c").Read("b") {
			t.Error("the mended file is not followed")
		}
	})
}

func TestAccess_EachAbsenceIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t, entry("u", "a", 1), "topic a\n")
		aside := d.files.Passwords + ".aside"
		for absence := 1; absence <= 2; absence++ {
			mustRename(t, d.files.Passwords, aside)
			d.settle()
			d.settle()
			if got := strings.Count(d.log.String(), "level=ERROR"); got != absence {
				t.Errorf("%d errors logged, want %d:\n%s", got, absence, d.log)
			}
			mustRename(t, aside, d.files.Passwords)
			if got := d.settle(); got != 1 {
				t.Errorf("generation %d after the same file came back, want 1", got)
			}
		}
	})
}

func mustRename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestAccess_ConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t, entry("u", "a", 1)+entry("v", "a", 1), "pattern write data/%u\n")
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				for range 20 {
					<-time.After(time.Second / 7)
					if !d.Authenticate("u", []byte("a")) || d.Authenticate("u", []byte("b")) {
						t.Error("wrong answer")
					}
					d.StillValid("v", d.Generation())
					d.Rights("u", "c").Write([]byte("data/u"))
				}
			})
			if i%5 == 0 {
				mustWrite(t, d.files.Passwords, entry("u", "a", 1)+strings.Repeat("\n", i))
			}
		}
		group.Wait()
	})
}

// An unknown user costs as much as a known one.
func BenchmarkAuthenticate(b *testing.B) {
	for _, iterations := range []int{101, 1000, 10000} {
		passwords := filepath.Join(b.TempDir(), "passwords")
		mustWrite(b, passwords, entry("u", "right", iterations)+entry("v", "right", iterations))
		a := mustOpen(b, access.Files{Passwords: passwords})
		for _, user := range []string{"u", "unknown"} {
			b.Run(fmt.Sprintf("%d/%s", iterations, user), func(b *testing.B) {
				for b.Loop() {
					a.Authenticate(user, []byte("right"))
				}
			})
		}
	}
}

func BenchmarkGeneration(b *testing.B) {
	passwords := filepath.Join(b.TempDir(), "passwords")
	mustWrite(b, passwords, entry("u", "right", 1))
	a := mustOpen(b, access.Files{Passwords: passwords})
	for b.Loop() {
		a.Generation()
	}
}

// A site of 10 000 devices.
func BenchmarkOpen(b *testing.B) {
	var text strings.Builder
	line := entry("u", "right", 1)
	for i := range 10_000 {
		fmt.Fprintf(&text, "device-%d%s", i, line[1:])
	}
	passwords := filepath.Join(b.TempDir(), "passwords")
	mustWrite(b, passwords, text.String())
	for b.Loop() {
		mustOpen(b, access.Files{Passwords: passwords})
	}
}
