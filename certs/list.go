package certs

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"io/fs"
	"time"
)

// Certificate describes a file.
type Certificate struct {
	Name   string    `json:"name"`
	Kind   Kind      `json:"kind,omitempty"`
	URI    string    `json:"uri,omitempty"`
	Hosts  []string  `json:"hosts,omitempty"`
	Serial string    `json:"serial,omitempty"` // hexadecimal
	Begins time.Time `json:"begins,omitzero"`
	Ends   time.Time `json:"ends,omitzero"`
	Cert   string    `json:"cert"` // path
	Key    string    `json:"key"`  // path, also where there is no file
	// Fault says why the certificate cannot be used; empty if it can.
	Fault string `json:"fault,omitempty"`
}

// What is wrong with a certificate.
var (
	errExpired = errors.New("expired")
	errForeign = errors.New("signed by another authority")
	errNoKind  = errors.New("not made by `sluice certs`")
	errOther   = errors.New("the key is another one; `sluice certs renew` mends it")
)

// List describes the certificates of the folder but the authority's, by name.
func (f *Folder) List() ([]Certificate, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	all := make([]Certificate, len(names))
	for i, name := range names {
		all[i] = f.look(name)
	}
	return all, nil
}

func (f *Folder) look(name string) Certificate {
	l, err := f.leaf(name)
	if l == nil {
		return Certificate{Name: name, Cert: f.cert(name), Key: f.key(name), Fault: err.Error()}
	}
	c := f.describe(name, l.cert)
	switch {
	case err != nil:
		c.Fault = err.Error()
	case time.Now().After(l.cert.NotAfter):
		c.Fault = errExpired.Error()
	case !l.matches():
		c.Fault = errOther.Error()
	}
	return c
}

func (f *Folder) describe(name string, c *x509.Certificate) Certificate {
	d := Certificate{
		Name: name, Hosts: c.DNSNames, Serial: c.SerialNumber.Text(16),
		Begins: c.NotBefore, Ends: c.NotAfter, Cert: f.cert(name), Key: f.key(name),
	}
	for _, ip := range c.IPAddresses {
		d.Hosts = append(d.Hosts, ip.String())
	}
	for _, u := range c.URIs {
		d.URI = u.String()
	}
	for _, unit := range c.Subject.OrganizationalUnit {
		d.Kind = Kind(unit)
	}
	return d
}

// leaf is a certificate of the folder with its key; nil where that is not here.
type leaf struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// leaf reads the files of a name. With an error it is nil if the certificate cannot be
// read, and else what was read.
func (f *Folder) leaf(name string) (*leaf, error) {
	c, err := ReadCertificate(f.cert(name))
	if err != nil {
		return nil, err
	}
	l := &leaf{cert: c}
	if err := c.CheckSignatureFrom(f.ca); err != nil {
		return l, errForeign
	}
	d := f.describe(name, c)
	request := Request{Name: name, Kind: d.Kind, Hosts: d.Hosts, Life: Day}
	if request.Check() != nil || c.Subject.CommonName != name || d.URI != request.uri().String() {
		return l, errNoKind
	}
	l.key, err = readKey(f.key(name))
	if errors.Is(err, fs.ErrNotExist) { // it was taken to where it belongs
		return l, nil
	}
	return l, err
}

// matches reports whether the key, if it is here, is the certificate's.
func (l *leaf) matches() bool { return l.key == nil || l.key.PublicKey.Equal(l.cert.PublicKey) }

// public is the key to certify: that of the file where there is one.
func (l *leaf) public() any {
	if l.key != nil {
		return &l.key.PublicKey
	}
	return l.cert.PublicKey
}

// life is how long the certificate lives altogether.
func (l *leaf) life() time.Duration { return l.cert.NotAfter.Sub(l.cert.NotBefore) - skew }
