package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"

	"sluice/internal/safefile"
)

// Issue makes a key and a certificate for it. A name that has a file is refused with
// fs.ErrExist.
func (f *Folder) Issue(r Request) (Certificate, error) {
	if err := r.Check(); err != nil {
		return Certificate{}, err
	}
	unlock, err := safefile.Lock(f.dir)
	if err != nil {
		return Certificate{}, err
	}
	defer unlock()
	if err := f.vacant(r.Name); err != nil {
		return Certificate{}, err
	}
	s, err := f.signer()
	if err != nil {
		return Certificate{}, err
	}
	return f.issue(s, r)
}

// Vacant says of the first name that has a file already that it does: fs.ErrExist.
func (f *Folder) Vacant(names ...string) error {
	for _, name := range names {
		if err := f.vacant(name); err != nil {
			return err
		}
	}
	return nil
}

func (f *Folder) issue(s *signer, r Request) (Certificate, error) {
	key, text, err := newKey()
	if err != nil {
		return Certificate{}, err
	}
	der, err := s.certify(r.template(), &key.PublicKey, r.Life)
	if err != nil {
		return Certificate{}, err
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, err
	}
	return f.describe(r.Name, made), f.create(r.Name, text, der)
}

// template is what the request says of the certificate. The kind is its organizational
// unit, for List and Renew.
func (r Request) template() *x509.Certificate {
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: r.Name, OrganizationalUnit: []string{string(r.Kind)}},
		URIs:        []*url.URL{r.uri()},
		ExtKeyUsage: r.Kind.use().purposes(),
	}
	t.DNSNames, t.IPAddresses = split(r.Hosts)
	return t
}
