package api

import (
	"crypto/tls"
	"log/slog"

	"sluice/internal/reread"
)

// TLS is what a server needs to be known and to know its clients. Safe for
// concurrent use.
type TLS struct {
	config      *tls.Config
	authorities *authorities
}

// ServerTLS returns settings of a TLS 1.2+ server. It asks for a certificate and
// takes any; each call is judged by it, so that one who is refused is told why.
// clientCA has the authorities that may have signed a client's. All three are
// files in PEM form, and are read again when they have changed: the pair counts
// from the next connection on, clientCA from the next call on; calls that are
// open go on. What cannot be used is logged, and what was before stays.
func ServerTLS(cert, key, clientCA string, log *slog.Logger) (*TLS, error) {
	a := newAuthorities(clientCA, log)
	if _, err := a.trusted(); err != nil {
		return nil, err
	}
	pair := &reread.Value[tls.Certificate]{
		Files: []string{cert, key}, Make: reread.Pair(cert, key),
		Stays: func(err error) { log.Warn("certificate not reloaded; the one before stays", "err", err) },
	}
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get() }
	if _, err := get(nil); err != nil {
		return nil, err
	}
	return &TLS{authorities: a, config: &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: get, ClientAuth: tls.RequestClientCert,
	}}, nil
}
