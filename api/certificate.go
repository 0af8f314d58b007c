package api

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
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
	a := &authorities{path: clientCA, log: log}
	if _, err := a.trusted(); err != nil {
		return nil, err
	}
	p := &pair{cert: cert, key: key, log: log}
	if _, err := p.get(nil); err != nil {
		return nil, err
	}
	return &TLS{authorities: a, config: &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: p.get, ClientAuth: tls.RequestClientCert,
	}}, nil
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
