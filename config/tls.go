package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"os"
)

// TLSFiles are the files of a TLS client, PEM. All are optional.
type TLSFiles struct {
	// CA holds the certificates of the authorities that may have signed the
	// server's. Default: those of the system.
	CA string `key:"ca" is:"file"`
	// Cert and Key are the client's own certificate and its key; both or neither.
	Cert string `key:"cert" is:"file"`
	Key  string `key:"key" is:"file"`
}

// ServerTLSFiles are the files of a TLS server, PEM: all three or none, but for what
// the sections say.
type ServerTLSFiles struct {
	// Cert and Key are the server's certificate and its key.
	Cert string `key:"cert" is:"file"`
	Key  string `key:"key" is:"file"`
	// ClientCA holds the certificates of the authorities that may have signed a
	// client's.
	ClientCA string `key:"client_ca" is:"file"`
}

// Given tells whether there is any of the files.
func (t ServerTLSFiles) Given() bool { return t != ServerTLSFiles{} }

// Client reads the files and returns the settings of a TLS 1.2+ client that
// checks the server's certificate against serverName. Its own certificate and key are
// read again when they have changed, for connections that are opened then; ca is not.
func (t TLSFiles) Client(serverName string) (*tls.Config, error) {
	c := &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pool, err := t.pool()
		if err != nil {
			return nil, fmt.Errorf("ca %s: %w", t.CA, err)
		}
		c.RootCAs = pool
	}
	if t.Cert != "" {
		pair := clientPair(t.Cert, t.Key)
		if _, err := pair.Get(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.Get() }
	}
	return c, nil
}

func (t TLSFiles) pool() (*x509.CertPool, error) {
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in PEM form in it")
	}
	return pool, nil
}

// byKey yields the files by their keys, in order.
func (t TLSFiles) byKey() iter.Seq2[string, string] {
	return func(yield func(key, file string) bool) {
		_ = yield("ca", t.CA) && yield("cert", t.Cert) && yield("key", t.Key)
	}
}
