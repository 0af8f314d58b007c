package access_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/mqtt/server/access"
)

// line is of a user whose password is "pass".
const line = ":$7$101$wHtsfLYRHNQ4iP9r$bs5Rs/Pi5rLP9DuoG0YYbxwrDcZXBp7fpu/2x2u4gqk2dBLOsAFdbcA9F+o3DskdFlJbzPcUpZ8bYyAJZr5ZJQ=="

func TestPasswordText_KeepsOtherLines(t *testing.T) {
	t.Parallel()
	text := "# mine\n\na" + line + "\r\n  b " + line + "\n#c" + line + "\nd" + line
	p := mustParsePasswords(t, text)
	if diff := cmp.Diff([]string{"a", "b", "d"}, p.Users()); diff != "" {
		t.Error(diff)
	}
	if got := string(p.Bytes()); got != text {
		t.Errorf("got %q, want it unchanged", got)
	}
	p.Remove("b")
	p.Remove("nobody")
	must(t, p.Set("a", []byte("new")))
	must(t, p.Set("e", []byte("new")))
	got := strings.SplitAfter(string(p.Bytes()), "\n")
	if len(got) != 7 || !strings.HasPrefix(got[2], "a:$7$101$") || !strings.HasPrefix(got[5], "e:$7$101$") {
		t.Fatalf("got %q", got)
	}
	got = slices.Delete(slices.Delete(got, 5, 6), 2, 3)
	if diff := cmp.Diff([]string{"# mine\n", "\n", "#c" + line + "\n", "d" + line + "\n", ""}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPasswordText_SetIsWhatAuthenticateTakes(t *testing.T) {
	t.Parallel()
	p := mustParsePasswords(t, "")
	secret := access.NewPassword()
	must(t, p.Set("a", []byte(secret)))
	must(t, p.Set("b", []byte(secret)))
	if hash := bytes.SplitN(p.Bytes(), []byte("\n"), 2)[0][1:]; bytes.Contains(p.Bytes(), append([]byte("b"), hash...)) {
		t.Error("two users have the same salt")
	}
	path := filepath.Join(t.TempDir(), "p")
	must(t, os.WriteFile(path, p.Bytes(), 0o600))
	doors := mustOpen(t, access.Files{Passwords: path})
	if !doors.Authenticate("a", []byte(secret)) || doors.Authenticate("a", []byte("x")) || doors.Authenticate("c", []byte(secret)) {
		t.Error("the password is not the one that was set")
	}
}

func TestPasswordText_RefusesWhatNoFileHolds(t *testing.T) {
	t.Parallel()
	if _, err := access.ParsePasswordText("p", []byte("a\n")); err == nil || !strings.Contains(err.Error(), "p:1:") {
		t.Errorf("got %v, want the faulty line", err)
	}
	for _, user := range []string{"", "a:b", "a\nb"} {
		if err := mustParsePasswords(t, "").Set(user, []byte("x")); err == nil {
			t.Errorf("%q was taken", user)
		}
	}
}

func TestNewPassword_IsLongAndNeverTheSame(t *testing.T) {
	t.Parallel()
	if a, b := access.NewPassword(), access.NewPassword(); len(a) != 32 || a == b {
		t.Errorf("got %q and %q", a, b)
	}
}

const handwritten = "topic read public\r\n# rights\nuser a\n  topic read x y\ntopic z\n\npattern read pulse\nuser b\ntopic write b\n\nuser a\ntopic deny q"

func TestACLText_KeepsOtherLines(t *testing.T) {
	t.Parallel()
	a := mustParseACL(t, handwritten)
	if got := string(a.Bytes()); got != handwritten {
		t.Errorf("got %q, want it unchanged", got)
	}
	if diff := cmp.Diff([]string{"read x y", "z", "deny q"}, a.Topics("a")); diff != "" {
		t.Error(diff)
	}
	a.Remove("nobody")
	a.Remove("a")
	want := "topic read public\r\n# rights\n\npattern read pulse\nuser b\ntopic write b\n"
	if diff := cmp.Diff(want, string(a.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestACLText_WhatWasAddedIsRemoved(t *testing.T) {
	t.Parallel()
	open := mustParseACL(t, "topic x") // the last line has no end
	open.Add("c", "read y")
	if got, want := string(open.Bytes()), "topic x\n\nuser c\ntopic read y\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	a := mustParseACL(t, handwritten+"\n")
	a.Add("nothing")
	a.Add("c", "read #", "write y")
	a.Add("d", "read d")
	if want := handwritten + "\n\nuser c\ntopic read #\ntopic write y\n\nuser d\ntopic read d\n"; string(a.Bytes()) != want {
		t.Errorf("got %q", a.Bytes())
	}
	rights, err := a.Rights("c", "c")
	must(t, err)
	if !rights.Read("anything") || !rights.Write([]byte("y")) || rights.Write([]byte("b")) || !rights.Read("pulse") {
		t.Error("not the rights that were added")
	}
	a.Remove("c")
	a.Remove("d")
	if got := string(a.Bytes()); got != handwritten+"\n" {
		t.Errorf("got %q, want it unchanged", got)
	}
}

func TestACLText_RefusesAFaultyFile(t *testing.T) {
	t.Parallel()
	if _, err := access.ParseACLText("acl", []byte("\ntopic\n")); err == nil || !strings.Contains(err.Error(), "acl:2:") {
		t.Errorf("got %v, want the faulty line", err)
	}
	a := mustParseACL(t, "")
	a.Add("a", "read a/#/b")
	if _, err := a.Rights("a", "a"); err == nil {
		t.Error("a faulty topic was taken")
	}
}

// Whatever a file holds that can be read, adding and removing a user leaves it.
func FuzzEdit(f *testing.F) {
	f.Add("a"+line, handwritten)
	f.Add("", "user a\n\nuser a\n\n\ntopic x\n#\n")
	f.Fuzz(func(t *testing.T, passwords, list string) {
		if p, err := access.ParsePasswordText("p", []byte(passwords)); err == nil && !slices.Contains(p.Users(), "new") {
			must(t, p.Set("new", []byte("x")))
			p.Remove("new")
			if got := string(p.Bytes()); got != passwords && got != passwords+"\n" {
				t.Errorf("passwords: got %q", got)
			}
		}
		a, err := access.ParseACLText("a", []byte(list))
		if err != nil || strings.Contains(list, "new") {
			return
		}
		a.Add("new", "read x")
		if diff := cmp.Diff([]string{"read x"}, a.Topics("new")); diff != "" {
			t.Error(diff)
		}
		again := mustParseACL(t, string(a.Bytes()))
		again.Remove("new")
		if got := string(again.Bytes()); got != list && got != list+"\n" {
			t.Errorf("acl: got %q", got)
		}
	})
}

func mustParsePasswords(t testing.TB, text string) *access.PasswordText {
	t.Helper()
	p, err := access.ParsePasswordText("p", []byte(text))
	must(t, err)
	return p
}

func mustParseACL(t testing.TB, text string) *access.ACLText {
	t.Helper()
	a, err := access.ParseACLText("a", []byte(text))
	must(t, err)
	return a
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
