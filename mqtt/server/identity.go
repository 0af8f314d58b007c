package server

import (
	"crypto/x509"
	"fmt"

	"sluice/mqtt/server/wire"
)

// certify judges the certificate of the client, if it has shown one. Where users have
// passwords it needs both, and the user is that of CONNECT; else the user is the common
// name, and no password is asked for.
func (c *connection) certify(m *wire.Connect) error {
	cert := c.stream.certificate()
	if cert == nil {
		return nil
	}
	if err := checkClass(cert); err != nil {
		return &refusal{wire.NotAuthorized, err}
	}
	if !c.session.access.AsksPassword() {
		m.User, c.certified = cert.Subject.CommonName, true
	}
	return nil
}

// checkClass refuses a certificate that was given out for another door: of those with a
// URI sluice://<class>/<name> only devices and services are let in. One without is of an
// authority that knows no classes.
func checkClass(cert *x509.Certificate) error {
	for _, u := range cert.URIs {
		if u.Scheme == "sluice" && u.Host != "device" && u.Host != "service" {
			return fmt.Errorf("the certificate has the URI %q; wanted is sluice://device/<name> or sluice://service/<name>", u)
		}
	}
	return nil
}
