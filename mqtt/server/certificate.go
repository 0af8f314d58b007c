package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"sluice/internal/reread"
)

// TLS returns settings of a TLS 1.2+ listener from files in PEM form: its certificate
// with the key and, unless clientCA is "", the authorities one of which must have
// signed each client's certificate; see Listener. The files are read again when they
// have changed, for connections that come then. What cannot be used is logged, and what
// was before stays.
func TLS(cert, key, clientCA string, log *slog.Logger) (*tls.Config, error) {
	files := &reread.Value[tls.Config]{
		Files: []string{cert, key, clientCA},
		Make:  func() (*tls.Config, error) { return loadTLS(cert, key, clientCA) },
		Stays: func(err error) {
			log.Warn("certificate of the front door not reloaded; the one before stays", "err", err)
		},
	}
	if _, err := files.Get(); err != nil {
		return nil, err
	}
	get := func(*tls.ClientHelloInfo) (*tls.Config, error) { return files.Get() }
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: get}, nil
}

func loadTLS(cert, key, clientCA string) (*tls.Config, error) {
	pair, err := reread.Pair(cert, key)()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair}}
	if clientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client_ca %s: %w", clientCA, errNoCertificate)
	}
	return c, nil
}

var errNoCertificate = errors.New("no certificate in PEM form in it")
