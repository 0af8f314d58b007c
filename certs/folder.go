package certs

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/internal/safefile"
)

const (
	// authorityName is that of the authority's two files.
	authorityName = "ca"
	// skew is how much earlier a certificate begins, for clocks that are slow.
	skew = 5 * time.Minute
	// maxAuthority is the longest life of an authority.
	maxAuthority = 100 * 365 * Day
)

// Folder is an authority with its certificates. Several processes may use it at once.
type Folder struct {
	dir string
	ca  *x509.Certificate
}

// Init makes the folder, which may exist but must hold no authority, and in it an
// authority with a life of 1 day to 100 years. The error is fs.ErrExist when there is
// one. The key is not encrypted: who has it, can be anybody.
func Init(dir string, life time.Duration) (*Folder, error) {
	if life < Day || life > maxAuthority {
		return nil, fmt.Errorf("a life of %v for an authority: use 1 to %d days", life, maxAuthority/Day)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f := &Folder{dir: dir}
	unlock, err := safefile.Lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := f.vacant(authorityName); err != nil {
		return nil, err
	}
	return f, f.found(life)
}

// found makes the authority.
func (f *Folder) found(life time.Duration) error {
	key, text, err := newKey()
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: newSerial(), NotBefore: now.Add(-skew), NotAfter: now.Add(life),
		// Its own name for each: a client that knows two tells them apart.
		Subject: pkix.Name{CommonName: "Sluice authority " + newSerial().Text(36)[:8]},
		IsCA:    true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if f.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return f.create(authorityName, text, der)
}

// Open returns the authority in a folder. Its key is not read yet: it is needed by
// Issue and Renew only.
func Open(dir string) (*Folder, error) {
	f := &Folder{dir: dir}
	ca, err := ReadCertificate(f.cert(authorityName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no authority (no ca.crt); make one with `sluice certs init %s`", dir, dir)
	}
	if err != nil {
		return nil, err
	}
	if !ca.IsCA {
		return nil, fmt.Errorf("%s is not the certificate of an authority", f.cert(authorityName))
	}
	f.ca = ca
	return f, nil
}

// Authority describes the authority itself; its kind is empty.
func (f *Folder) Authority() Certificate { return f.describe(authorityName, f.ca) }

func (f *Folder) cert(name string) string { return filepath.Join(f.dir, name+".crt") }
func (f *Folder) key(name string) string  { return filepath.Join(f.dir, name+".key") }

// vacant refuses a name one of whose files is there.
func (f *Folder) vacant(name string) error {
	for _, path := range []string{f.cert(name), f.key(name)} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already and is not overwritten; remove %s.crt and %s.key in %s first, or choose another name: %w",
				path, name, name, f.dir, errors.Join(fs.ErrExist, err))
		}
	}
	return nil
}

// create writes the files of a name, both or none.
func (f *Folder) create(name string, key, der []byte) error {
	if err := safefile.Create(f.key(name), key, 0o600); err != nil {
		return err
	}
	if err := safefile.Create(f.cert(name), encode(der), 0o644); err != nil {
		return errors.Join(err, os.Remove(f.key(name)))
	}
	return nil
}

// names returns those of all certificates in the folder, in order.
func (f *Folder) names() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".crt"); ok && name != authorityName && !e.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// signer is the authority at work.
type signer struct {
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
	now time.Time
}

func (f *Folder) signer() (*signer, error) {
	key, err := readKey(f.key(authorityName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not here; bring the key of the authority to sign with", f.key(authorityName))
	}
	if err != nil {
		return nil, err
	}
	s := &signer{f.ca, key, time.Now()}
	switch {
	case !key.PublicKey.Equal(f.ca.PublicKey):
		return nil, fmt.Errorf("%s is not the key of %s", f.key(authorityName), f.cert(authorityName))
	case s.now.After(f.ca.NotAfter):
		return nil, fmt.Errorf("the authority in %s has ended, at %s; make a new one in another folder", f.dir, f.ca.NotAfter.Format(time.RFC3339))
	}
	return s, nil
}

// certify signs a leaf's template for life, or until the authority ends.
func (s *signer) certify(t *x509.Certificate, key any, life time.Duration) ([]byte, error) {
	t.SerialNumber = newSerial()
	t.NotBefore, t.NotAfter = s.now.Add(-skew), s.now.Add(life)
	if t.NotAfter.After(s.ca.NotAfter) {
		t.NotAfter = s.ca.NotAfter
	}
	t.KeyUsage, t.BasicConstraintsValid = x509.KeyUsageDigitalSignature, true
	return sign(t, s.ca, key, s.key)
}
