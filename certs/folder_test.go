package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
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

func TestInit_MakesAnAuthorityOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certs")
	f := mustInit(t, dir)
	ca := parse(t, f.Authority().Cert)
	if !ca.IsCA || ca.KeyUsage&x509.KeyUsageCertSign == 0 || !ca.MaxPathLenZero {
		t.Errorf("no authority: %+v", ca)
	}
	permits(t, dir, 0o700)
	permits(t, filepath.Join(dir, "ca.key"), 0o600)
	before := contents(t, dir)
	if _, err := certs.Init(dir, certs.Day); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that it exists", err)
	}
	must(t, os.Remove(filepath.Join(dir, "ca.crt")))
	if _, err := certs.Init(dir, certs.Day); !errors.Is(err, fs.ErrExist) {
		t.Errorf("beside a key: got %v, want that it exists", err)
	}
	delete(before, "ca.crt")
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("files have changed: %s", diff)
	}
}

func TestInit_RefusesALifeOfNothing(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{0, -certs.Day, 40_000 * certs.Day} {
		if _, err := certs.Init(filepath.Join(t.TempDir(), "x"), life); err == nil {
			t.Errorf("%v: no error", life)
		}
	}
}

func TestIssue_EachKind(t *testing.T) {
	t.Parallel()
	server, client := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	f := mustInit(t, t.TempDir())
	for _, c := range []struct {
		kind  certs.Kind
		hosts []string
		uri   string
		uses  []x509.ExtKeyUsage
	}{
		{certs.Broker, []string{"broker", "10.0.0.1"}, "sluice://service/x-broker", []x509.ExtKeyUsage{server}},
		{certs.Redis, []string{"redis"}, "sluice://service/x-redis", []x509.ExtKeyUsage{server, client}},
		{certs.Postgres, []string{"*.db.example", "::1"}, "sluice://service/x-postgres", []x509.ExtKeyUsage{server, client}},
		{certs.API, []string{"api"}, "sluice://service/x-api", []x509.ExtKeyUsage{server, client}},
		{certs.BatchRouter, nil, "sluice://service/x-batch-router", []x509.ExtKeyUsage{server, client}},
		{certs.Clock, nil, "sluice://service/x-clock", []x509.ExtKeyUsage{client}},
		{certs.Device, nil, "sluice://device/x-device", []x509.ExtKeyUsage{client}},
		{certs.Client, nil, "sluice://client/x-client", []x509.ExtKeyUsage{client}},
	} {
		name := "x-" + string(c.kind)
		got, err := f.Issue(certs.Request{Name: name, Kind: c.kind, Hosts: c.hosts, Life: 30 * certs.Day})
		must(t, err)
		cert := parse(t, got.Cert)
		want := certs.Certificate{
			Name: name, Kind: c.kind, URI: c.uri, Hosts: c.hosts, Serial: cert.SerialNumber.Text(16),
			Begins: cert.NotBefore, Ends: cert.NotAfter, Cert: got.Cert, Key: got.Key,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(c.uses, cert.ExtKeyUsage); diff != "" || cert.IsCA || cert.Subject.CommonName != name {
			t.Errorf("%s: authority %t, user %q, uses %s", name, cert.IsCA, cert.Subject.CommonName, diff)
		}
		if left := time.Until(got.Ends); left < 30*certs.Day-time.Minute || left > 30*certs.Day {
			t.Errorf("%s: %v left, want 30 days", name, left)
		}
		permits(t, got.Key, 0o600)
		permits(t, got.Cert, 0o644)
		verify(t, f, cert)
		if _, err := tls.LoadX509KeyPair(got.Cert, got.Key); err != nil {
			t.Error(err)
		}
	}
}

func TestIssue_RefusesToOverwrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := mustInit(t, dir)
	issue(t, f, "dev-1", certs.Device)
	before := contents(t, dir)
	for _, kind := range []certs.Kind{certs.Device, certs.Client} { // nor under another class
		if _, err := f.Issue(certs.Request{Name: "dev-1", Kind: kind, Life: certs.Day}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: got %v, want that it exists", kind, err)
		}
	}
	must(t, os.Remove(filepath.Join(dir, "dev-1.crt")))
	delete(before, "dev-1.crt")
	if _, err := f.Issue(certs.Request{Name: "dev-1", Kind: certs.Device, Life: certs.Day}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("beside a key: got %v, want that it exists", err)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("files have changed: %s", diff)
	}
}

func TestIssue_RefusesMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := mustInit(t, dir)
	before := contents(t, dir)
	for name, r := range map[string]certs.Request{
		"is no name":             {Name: "../x", Kind: certs.Device, Life: certs.Day},
		"authority's own name":   {Name: "CA", Kind: certs.Device, Life: certs.Day},
		"is no kind":             {Name: "x", Kind: "toaster", Life: certs.Day},
		"use 1 h to 825 days":    {Name: "x", Kind: certs.Device},
		"names no host":          {Name: "x", Kind: certs.Device, Hosts: []string{"h"}, Life: certs.Day},
		"give one or more":       {Name: "x", Kind: certs.Broker, Life: certs.Day},
		"without scheme":         {Name: "x", Kind: certs.Broker, Hosts: []string{"mqtts://broker:8883"}, Life: certs.Day},
		`host "a..b"`:            {Name: "x", Kind: certs.Broker, Hosts: []string{"a..b"}, Life: certs.Day},
		`host "*"`:               {Name: "x", Kind: certs.Broker, Hosts: []string{"*"}, Life: certs.Day},
		`host "-a"`:              {Name: "x", Kind: certs.Broker, Hosts: []string{"-a"}, Life: certs.Day},
		"253 characters at most": {Name: "x", Kind: certs.Broker, Hosts: []string{strings.Repeat("a.", 130)}, Life: certs.Day},
	} {
		if _, err := f.Issue(r); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("files have changed: %s", diff)
	}
}

func TestIssue_EndsWithTheAuthority(t *testing.T) {
	t.Parallel()
	f, err := certs.Init(t.TempDir(), 10*certs.Day)
	must(t, err)
	got, err := f.Issue(certs.Request{Name: "x", Kind: certs.Device, Life: 30 * certs.Day})
	must(t, err)
	if !got.Ends.Equal(f.Authority().Ends) {
		t.Errorf("ends %v, want with the authority, %v", got.Ends, f.Authority().Ends)
	}
}

func TestOpen_WithoutTheKeyListsOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	issue(t, mustInit(t, dir), "dev-1", certs.Device)
	must(t, os.Remove(filepath.Join(dir, "ca.key")))
	f := mustOpen(t, dir)
	if all, err := f.List(); err != nil || len(all) != 1 || all[0].Fault != "" {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := f.Issue(certs.Request{Name: "x", Kind: certs.Device, Life: certs.Day}); err == nil || !strings.Contains(err.Error(), "bring the key") {
		t.Errorf("got %v, want that the key is missing", err)
	}
	if _, err := f.Renew(certs.Renewal{}); err == nil {
		t.Error("renewed without a key")
	}
}

func TestOpen_RefusesWhatIsNoAuthority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := certs.Open(dir); err == nil || !strings.Contains(err.Error(), "sluice certs init") {
		t.Errorf("got %v, want what to do", err)
	}
	one := issue(t, mustInit(t, dir), "x", certs.Device)
	text, err := os.ReadFile(one.Cert)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), text, 0o600))
	if _, err := certs.Open(dir); err == nil {
		t.Error("a leaf was taken for an authority")
	}
}

func TestIssue_RefusesTheKeyOfAnotherAuthority(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	f := mustInit(t, dir)
	mustInit(t, other)
	must(t, os.Rename(filepath.Join(other, "ca.key"), filepath.Join(dir, "ca.key")))
	if _, err := f.Issue(certs.Request{Name: "x", Kind: certs.Device, Life: certs.Day}); err == nil || !strings.Contains(err.Error(), "is not the key of") {
		t.Errorf("got %v", err)
	}
}

func mustInit(t testing.TB, dir string) *certs.Folder {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	must(t, os.RemoveAll(dir))
	f, err := certs.Init(dir, 3650*certs.Day)
	must(t, err)
	return f
}

func mustOpen(t testing.TB, dir string) *certs.Folder {
	t.Helper()
	f, err := certs.Open(dir)
	must(t, err)
	return f
}

// issue makes a certificate for 30 days, of a server for 127.0.0.1.
func issue(t testing.TB, f *certs.Folder, name string, kind certs.Kind) certs.Certificate {
	t.Helper()
	r := certs.Request{Name: name, Kind: kind, Life: 30 * certs.Day}
	switch kind {
	case certs.Broker, certs.Redis, certs.Postgres, certs.API, certs.BatchRouter:
		r.Hosts = []string{"127.0.0.1"}
	default:
	}
	c, err := f.Issue(r)
	must(t, err)
	return c
}

func parse(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		t.Fatalf("%s: not one PEM block", path)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	return c
}

// verify checks that the authority has signed c.
func verify(t testing.TB, f *certs.Folder, c *x509.Certificate) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(parse(t, f.Authority().Cert))
	if _, err := c.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
}

// contents are the files of a folder by name.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		all[e.Name()] = string(text)
	}
	return all
}

func permits(t testing.TB, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s: permissions %v, want %v", path, got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
