package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// TLS returns settings of a TLS 1.2+ listener from files in PEM form: its certificate
// with the key and, unless clientCA is "", the authorities one of which must have
// signed each client's certificate; its common name is then the user. The files are
// read again when they have changed, for connections that come then. What cannot be
// used is logged, and what was before stays.
func TLS(cert, key, clientCA string, log *slog.Logger) (*tls.Config, error) {
	f := &tlsFiles{cert: cert, key: key, clientCA: clientCA, log: log}
	if _, err := f.current(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: f.current}, nil
}

// tlsFiles are the files as they were read last. Safe for concurrent use.
type tlsFiles struct {
	cert, key, clientCA string
	log                 *slog.Logger

	mu     sync.Mutex
	read   string // what the files looked like
	loaded *tls.Config
}

// current implements tls.Config.GetConfigForClient. A few stats per handshake cost
// little beside the handshake.
func (f *tlsFiles) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := look(f.cert) + look(f.key) + look(f.clientCA)
	if f.loaded != nil && now == f.read {
		return f.loaded, nil
	}
	fresh, err := f.load()
	switch {
	case err == nil:
		f.loaded = fresh
	case f.loaded == nil:
		return nil, err
	default: // half written, perhaps: the next change is looked at again
		f.log.Warn("certificate of the front door not reloaded; the one before stays", "err", err)
	}
	f.read = now
	return f.loaded, nil
}

func (f *tlsFiles) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("cert %s, key %s: %w", f.cert, f.key, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if f.clientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client_ca %s: %w", f.clientCA, errNoCertificate)
	}
	return c, nil
}

var errNoCertificate = errors.New("no certificate in PEM form in it")

// look returns what changes when a file does.
func look(path string) string {
	if path == "" {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
}
