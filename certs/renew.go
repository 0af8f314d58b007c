package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"sluice/internal/safefile"
)

// Renewal says what Renew is to renew.
type Renewal struct {
	// Before: certificates that end within this time. 0 means, of each, the last third
	// of its life.
	Before time.Duration
	// Names are of those to look at; none means all.
	Names []string
	// NewKey makes new keys, too. See Renew.
	NewKey bool
}

// Renewed is a certificate that Renew has replaced.
type Renewed struct {
	Certificate

	NewKey bool `json:"new_key"`
}

// Renew replaces certificates that end soon, or have ended, by ones with the same name,
// hosts and length of life. It keeps the key: then one file changes, in one step, a server
// may read the two at any moment, and a key that was taken to a device stays good.
//
// With NewKey the key is replaced before the certificate. A server that reads between the
// two steps finds a pair that does not match; ours go on with the one before until the
// next change. If Renew is killed there, the next one mends it: a certificate whose key is
// another one is always renewed.
//
// One that cannot be renewed does not stop the others; the error then names all of those.
func (f *Folder) Renew(r Renewal) ([]Renewed, error) {
	unlock, err := safefile.Lock(f.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := f.signer()
	if err != nil {
		return nil, err
	}
	names, err := f.chosen(r.Names)
	if err != nil {
		return nil, err
	}
	var done []Renewed
	var wrong []error
	for _, name := range names {
		one, err := f.renew(s, name, r)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
		if one != nil {
			done = append(done, *one)
		}
	}
	return done, errors.Join(wrong...)
}

// chosen returns names, or all if there are none.
func (f *Folder) chosen(names []string) ([]string, error) {
	all, err := f.names()
	if err != nil || len(names) == 0 {
		return all, err
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("%s: no certificate of this name: %w", f.cert(name), fs.ErrNotExist)
		}
	}
	return names, nil
}

// renew returns nil without an error when there is no need.
func (f *Folder) renew(s *signer, name string, r Renewal) (*Renewed, error) {
	l, err := f.leaf(name)
	if errors.Is(err, errForeign) || errors.Is(err, errNoKind) {
		if len(r.Names) == 0 { // it only lies here
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if !l.due(s.now, r.Before) {
		return nil, nil
	}
	if r.NewKey && l.matches() { // else it is new already
		if err := f.rekey(name, l); err != nil {
			return nil, err
		}
	}
	fresh, err := f.resign(s, name, l)
	if err != nil {
		return nil, err
	}
	return &Renewed{Certificate: f.describe(name, fresh), NewKey: !l.matches()}, nil
}

// due reports whether it is time to renew.
func (l *leaf) due(now time.Time, before time.Duration) bool {
	if before == 0 {
		before = l.life() / 3
	}
	return !l.matches() || now.Add(before).After(l.cert.NotAfter)
}

// rekey replaces the key.
func (f *Folder) rekey(name string, l *leaf) error {
	if l.key == nil {
		return fmt.Errorf("%s is not here, so it gets no new one; renew without a new key, or remove the certificate and issue it again", f.key(name))
	}
	key, text, err := newKey()
	if err != nil {
		return err
	}
	l.key = key
	return safefile.Replace(f.key(name), text, 0o600)
}

// resign replaces the certificate.
func (f *Folder) resign(s *signer, name string, l *leaf) (*x509.Certificate, error) {
	d := f.describe(name, l.cert)
	der, err := s.certify(Request{Name: name, Kind: d.Kind, Hosts: d.Hosts}.template(), l.public(), l.life())
	if err != nil {
		return nil, err
	}
	if err := safefile.Replace(f.cert(name), encode(der), 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
