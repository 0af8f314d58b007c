package api

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// ServerTLS returns settings of a TLS 1.2+ server that demands a certificate of
// one of the authorities in clientCA. All three are files in PEM form. Certificate
// and key are read again when one of the files has changed, without an effect on
// connections that are open; a pair that cannot be used is logged, and the one
// before stays.
func ServerTLS(cert, key, clientCA string, log *slog.Logger) (*tls.Config, error) {
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client_ca: no certificate in PEM form in %s", clientCA)
	}
	pair := &pair{cert: cert, key: key, log: log}
	if _, err := pair.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: pair.get,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities,
	}, nil
}

// pair is a certificate with its key, as the files had them last. Safe for
// concurrent use.
type pair struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	read   string // what the files looked like
	loaded *tls.Certificate
}

// get implements tls.Config.GetCertificate. Two stats per handshake cost little
// beside the handshake.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := look(p.cert) + look(p.key)
	if p.loaded != nil && now == p.read {
		return p.loaded, nil
	}
	fresh, err := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil:
		p.loaded = &fresh
	case p.loaded == nil:
		return nil, fmt.Errorf("cert %s, key %s: %w", p.cert, p.key, err)
	default: // half written, perhaps: the next change is looked at again
		p.log.Warn("certificate not reloaded; the one before stays", "cert", p.cert, "key", p.key, "err", err)
	}
	p.read = now
	return p.loaded, nil
}

// look returns what changes when a file does.
func look(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
}
