package users_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/users"
)

func TestAdd_MakesBothFiles(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	secrets := add(t, f, users.User{Name: "router", Role: users.Router}, users.User{Name: "clock", Role: users.Clock},
		device("dev-1"), users.User{Name: "old", Role: users.Device, FlatTopics: true})
	for _, s := range secrets {
		if len(s.Password) != 32 || strings.Contains(read(t, f.Passwords), s.Password) {
			t.Errorf("%s: password %q", s.Name, s.Password)
		}
	}
	for _, path := range []string{f.Passwords, f.ACL} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want 0600", path, info.Mode(), err)
		}
	}
	got, err := f.List()
	must(t, err)
	want := []users.User{
		{Name: "router", Role: users.Router},
		{Name: "clock", Role: users.Clock},
		{Name: "dev-1", Role: users.Device},
		{Name: "old", Role: users.Device, FlatTopics: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAddRemove_KeepTheLinesOfOthers(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	add(t, f, device("dev-1"), users.User{Name: "router", Role: users.Router})
	passwords, acl := read(t, f.Passwords), read(t, f.ACL)
	acl += "\nuser dev-1\ntopic read commands/all\n# by hand\n"
	must(t, os.WriteFile(f.ACL, []byte(acl), 0o600))
	add(t, f, device("dev-2"), users.User{Name: "old", Role: users.Device, FlatTopics: true})
	if got := read(t, f.Passwords); !strings.HasPrefix(got, passwords) {
		t.Errorf("passwords of others have changed: %s", got)
	}
	if got := read(t, f.ACL); !strings.HasPrefix(got, acl) {
		t.Errorf("rights of others have changed: %s", got)
	}
	must(t, f.Remove([]string{"old", "dev-2"}))
	if diff := cmp.Diff([]string{passwords, acl}, []string{read(t, f.Passwords), read(t, f.ACL)}); diff != "" {
		t.Error(diff)
	}
	list, err := f.List()
	must(t, err)
	if diff := cmp.Diff([]string{"read commands/all"}, list[0].Others); diff != "" {
		t.Error(diff)
	}
	must(t, f.Remove([]string{"dev-1"}))
	if got := read(t, f.ACL); strings.Contains(got, "commands/all") || !strings.Contains(got, "# by hand") {
		t.Errorf("got %s", got)
	}
}

func TestAdd_RefusesAllOrNone(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	add(t, f, device("dev-1"))
	before := read(t, f.Passwords) + read(t, f.ACL)
	for name, want := range map[string]error{
		"x/y": users.ErrName, "+": users.ErrName, "a#": users.ErrName, "": users.ErrName, "$SYS": users.ErrName, "-x": users.ErrName,
		"a b": users.ErrName, "a\nb": users.ErrName, "ä": users.ErrName, strings.Repeat("a", 65): users.ErrName, "dev-1": users.ErrThere,
	} {
		if _, err := f.Add([]users.User{device("dev-2"), device(name)}, nil); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
	}
	if _, err := f.Add([]users.User{device("dev-2"), device("dev-2")}, nil); err == nil {
		t.Error("a name was taken twice")
	}
	failed := errors.New("no room for the passwords")
	if _, err := f.Add([]users.User{device("dev-2")}, func([]users.Secret) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want %v", err, failed)
	}
	if got := read(t, f.Passwords) + read(t, f.ACL); got != before {
		t.Errorf("files have changed: %s", got)
	}
}

func TestAdd_RefusesAnACLThatLetsADeviceDoNothing(t *testing.T) {
	t.Parallel()
	for missing, acl := range map[string]string{
		"connect/dev-1":     "",
		"lwt/dev-1":         "pattern write connect/%u\n",
		"data/sensor/dev-1": "pattern write connect/%u\npattern write lwt/%u\n",
		"pattern read":      "pattern write #\n",
	} {
		f := newFiles(t)
		must(t, os.WriteFile(f.ACL, []byte(acl), 0o600))
		if _, err := f.Add([]users.User{device("dev-1")}, nil); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%q: got %v, want %s", acl, err, missing)
		}
		if _, err := os.Stat(f.Passwords); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: a password file was made", acl)
		}
	}
}

func TestAdd_RefusesFaultyFiles(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	must(t, os.WriteFile(f.Passwords, []byte("no colon\n"), 0o600))
	must(t, os.WriteFile(f.ACL, []byte("topik x\n"), 0o600))
	_, err := f.Add([]users.User{device("dev-1")}, nil)
	if err == nil || !strings.Contains(err.Error(), f.Passwords+":1:") || !strings.Contains(err.Error(), f.ACL+":1:") {
		t.Errorf("got %v, want both faults", err)
	}
}

// A kill between the two files leaves rights without a password.
func TestAdd_FinishesWhatWasKilled(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	old := users.User{Name: "old", Role: users.Device, FlatTopics: true}
	add(t, f, old)
	acl := read(t, f.ACL)
	must(t, os.WriteFile(f.Passwords, nil, 0o600))
	if _, err := f.Add([]users.User{device("old")}, nil); err == nil || !strings.Contains(err.Error(), "sluice users remove old") {
		t.Errorf("got %v, want that there are lines", err)
	}
	add(t, f, old)
	if got := read(t, f.ACL); got != acl {
		t.Errorf("got %s", got)
	}
	must(t, os.WriteFile(f.Passwords, nil, 0o600))
	must(t, f.Remove([]string{"old"}))
	if got := read(t, f.ACL); strings.Contains(got, "old") {
		t.Errorf("got %s", got)
	}
}

func TestRemove_RefusesAStranger(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	if err := f.Remove([]string{"dev-1"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is no file", err)
	}
	add(t, f, device("dev-1"))
	if err := f.Remove([]string{"dev-1", "dev-2"}); !errors.Is(err, users.ErrUnknown) {
		t.Errorf("got %v, want %v", err, users.ErrUnknown)
	}
	if list, err := f.List(); err != nil || len(list) != 1 {
		t.Errorf("got %v, %v, want all that there were", list, err)
	}
	if _, err := f.SetPasswords([]string{"dev-2"}, nil); !errors.Is(err, users.ErrUnknown) {
		t.Errorf("got %v, want %v", err, users.ErrUnknown)
	}
}

func TestSetPasswords_ChangesOnlyThese(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	before := add(t, f, device("dev-1"), device("dev-2"))
	lines, acl := strings.Split(read(t, f.Passwords), "\n"), read(t, f.ACL)
	after, err := f.SetPasswords([]string{"dev-1"}, nil)
	must(t, err)
	now := strings.Split(read(t, f.Passwords), "\n")
	if after[0].Password == before[0].Password || now[0] == lines[0] || now[1] != lines[1] || read(t, f.ACL) != acl {
		t.Errorf("before %q, after %q", lines, now)
	}
}

func TestAdd_SeveralAtOnceLoseNobody(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	var all sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		all.Go(func() {
			if _, err := f.Add([]users.User{device(name)}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := f.List(); err != nil || len(list) != 8 {
		t.Errorf("%d users, %v, want 8", len(list), err)
	}
}

func device(name string) users.User { return users.User{Name: name, Role: users.Device} }

func newFiles(t testing.TB) users.Files {
	t.Helper()
	dir := t.TempDir()
	return users.Files{Passwords: filepath.Join(dir, "users.txt"), ACL: filepath.Join(dir, "acl.txt")}
}

func add(t testing.TB, f users.Files, list ...users.User) []users.Secret {
	t.Helper()
	secrets, err := f.Add(list, nil)
	must(t, err)
	return secrets
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
