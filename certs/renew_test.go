package certs_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/certs"
)

func TestRenew_ReplacesWhatEndsSoon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := mustInit(t, dir)
	soon, err := f.Issue(certs.Request{Name: "soon", Kind: certs.Broker, Hosts: []string{"b", "127.0.0.1"}, Life: 5 * certs.Day})
	must(t, err)
	issue(t, f, "later", certs.Device)
	before := contents(t, dir)
	got, err := f.Renew(certs.Renewal{Before: 10 * certs.Day})
	must(t, err)
	if len(got) != 1 || got[0].Name != "soon" || got[0].NewKey {
		t.Fatalf("got %+v, want soon, with its key", got)
	}
	fresh := got[0].Certificate
	if fresh.Serial == soon.Serial || fresh.Ends.Sub(soon.Ends) < 0 {
		t.Errorf("the certificate is the old one: %+v", fresh)
	}
	soon.Serial, soon.Begins, soon.Ends = fresh.Serial, fresh.Begins, fresh.Ends
	if diff := cmp.Diff(soon, fresh); diff != "" {
		t.Errorf("more than the time has changed: %s", diff)
	}
	verify(t, f, parse(t, fresh.Cert))
	after := contents(t, dir)
	if after["soon.crt"] == before["soon.crt"] {
		t.Error("the file is the old one")
	}
	delete(before, "soon.crt")
	delete(after, "soon.crt")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("other files have changed: %s", diff)
	}
}

func TestRenew_ByDefaultInTheLastThird(t *testing.T) {
	t.Parallel()
	f := mustInit(t, t.TempDir())
	issue(t, f, "dev-1", certs.Device)
	for before, want := range map[int]int{0: 0, 29: 0, 31: 1} {
		got, err := f.Renew(certs.Renewal{Before: time.Duration(before) * certs.Day})
		if err != nil || len(got) != want {
			t.Errorf("%d days: renewed %d, %v, want %d", before, len(got), err, want)
		}
	}
}

func TestRenew_LivesAsLongAsBefore(t *testing.T) {
	t.Parallel()
	f := mustInit(t, t.TempDir())
	old := issue(t, f, "dev-1", certs.Device)
	got, err := f.Renew(certs.Renewal{Before: 31 * certs.Day})
	must(t, err)
	if life, was := got[0].Ends.Sub(got[0].Begins), old.Ends.Sub(old.Begins); life != was {
		t.Errorf("lives %v, want %v", life, was)
	}
}

func TestRenew_WithANewKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := mustInit(t, dir)
	old := issue(t, f, "dev-1", certs.Device)
	before := contents(t, dir)
	got, err := f.Renew(certs.Renewal{Before: 31 * certs.Day, NewKey: true})
	must(t, err)
	if len(got) != 1 || !got[0].NewKey {
		t.Fatalf("got %+v, want a new key", got)
	}
	if contents(t, dir)["dev-1.key"] == before["dev-1.key"] {
		t.Error("the key is the old one")
	}
	permits(t, old.Key, 0o600)
	if _, err := tls.LoadX509KeyPair(old.Cert, old.Key); err != nil {
		t.Error(err)
	}
}

// What a kill between the two steps of a new key leaves is mended by the next call.
func TestRenew_KeyOfAnother_IsMended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := mustInit(t, dir)
	one, two := issue(t, f, "one", certs.Device), issue(t, f, "two", certs.Device)
	text, err := os.ReadFile(two.Key)
	must(t, err)
	must(t, os.WriteFile(one.Key, text, 0o600))
	if all, err := f.List(); err != nil || !strings.Contains(all[0].Fault, "the key is another one") {
		t.Errorf("got %+v, %v", all, err)
	}
	got, err := f.Renew(certs.Renewal{})
	must(t, err)
	if len(got) != 1 || got[0].Name != "one" || !got[0].NewKey {
		t.Fatalf("got %+v, want one", got)
	}
	if _, err := tls.LoadX509KeyPair(one.Cert, one.Key); err != nil {
		t.Error(err)
	}
}

func TestRenew_KeyThatIsAtTheDevice_StaysGood(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := mustInit(t, dir)
	one := issue(t, f, "dev-1", certs.Device)
	elsewhere := filepath.Join(t.TempDir(), "key")
	must(t, os.Rename(one.Key, elsewhere))
	if _, err := f.Renew(certs.Renewal{Before: 31 * certs.Day, NewKey: true}); err == nil || !strings.Contains(err.Error(), "is not here") {
		t.Errorf("got %v, want that there is no key to replace", err)
	}
	got, err := f.Renew(certs.Renewal{Before: 31 * certs.Day})
	if err != nil || len(got) != 1 || got[0].Serial == one.Serial {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := tls.LoadX509KeyPair(one.Cert, elsewhere); err != nil {
		t.Error(err)
	}
}

// What the authority did not sign, or not for this name, gets no signature.
func TestRenew_LeavesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	f := mustInit(t, dir)
	foreign := issue(t, mustInit(t, other), "foreign", certs.Device)
	must(t, os.Rename(foreign.Cert, filepath.Join(dir, "foreign.crt")))
	copied := issue(t, f, "dev-1", certs.Device)
	text, err := os.ReadFile(copied.Cert)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "dev-2.crt"), text, 0o644))
	must(t, os.Remove(copied.Cert))
	must(t, os.WriteFile(filepath.Join(dir, "junk.crt"), []byte("x"), 0o644))
	before := contents(t, dir)
	got, err := f.Renew(certs.Renewal{Before: 31 * certs.Day})
	if err == nil || !strings.Contains(err.Error(), "junk.crt: no CERTIFICATE") || len(got) != 0 {
		t.Errorf("got %+v, %v, want that junk.crt cannot be read", got, err)
	}
	for _, name := range []string{"foreign", "dev-2"} {
		if _, err := f.Renew(certs.Renewal{Before: 31 * certs.Day, Names: []string{name}}); err == nil {
			t.Errorf("%s was renewed", name)
		}
	}
	if _, err := f.Renew(certs.Renewal{Names: []string{"nobody"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is none", err)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("files have changed: %s", diff)
	}
	all, err := f.List()
	must(t, err)
	faults := map[string]string{}
	for _, c := range all {
		faults[c.Name] = c.Fault
	}
	want := map[string]string{
		"foreign": "signed by another authority", "dev-2": "not made by `sluice certs`",
		"junk": filepath.Join(dir, "junk.crt") + ": no CERTIFICATE in PEM form in it",
	}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Error(diff)
	}
}

func TestKeys_AreP256(t *testing.T) {
	t.Parallel()
	f := mustInit(t, t.TempDir())
	for _, path := range []string{f.Authority().Cert, issue(t, f, "x", certs.Client).Cert} {
		if key, ok := parse(t, path).PublicKey.(*ecdsa.PublicKey); !ok || key.Curve.Params().Name != "P-256" {
			t.Errorf("%s: not ECDSA P-256", path)
		}
	}
}
