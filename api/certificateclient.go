package api

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sluice/internal/reread"
)

// authorities judges the certificates of clients by those in a file, as it was
// last. Safe for concurrent use.
type authorities struct{ file reread.Value[trust] }

// trust is what a file of authorities said. Safe for concurrent use.
type trust struct {
	pool *x509.CertPool

	mu sync.Mutex
	// known are certificates that pool has vouched for, in DER, and until when its
	// chain is valid: the signatures of a connection are checked once, not per call.
	known map[string]time.Time
}

func newAuthorities(path string, log *slog.Logger) *authorities {
	return &authorities{reread.Value[trust]{
		Files: []string{path},
		Make:  func() (*trust, error) { return readAuthorities(path) },
		Stays: func(err error) {
			log.Warn("client_ca not reloaded; the one before stays", "client_ca", path, "err", err)
		},
	}}
}

// maxKnown bounds the memory for known certificates, to about 1 MiB.
const maxKnown = 1000

// check says why a client with this chain, its own certificate first, is not
// known: UNAUTHENTICATED. One stat per call costs little beside the call.
func (a *authorities) check(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return status.Error(codes.Unauthenticated, "no client certificate; use one that an authority in client_ca has signed")
	}
	now := time.Now()
	if err := checkTime(chain[0], now); err != nil {
		return err
	}
	t, err := a.trusted()
	if err != nil {
		return err
	}
	if t.knows(chain[0], now) {
		return nil
	}
	until, err := verifyChain(t.pool, chain, now)
	if err != nil {
		return unverified(err)
	}
	t.learn(chain[0], until)
	return nil
}

func checkTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return status.Errorf(codes.Unauthenticated, "the client certificate has expired, at %s", c.NotAfter.Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return status.Errorf(codes.Unauthenticated, "the client certificate is not valid before %s", c.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// verifyChain returns until when the whole chain is valid.
func verifyChain(pool *x509.CertPool, chain []*x509.Certificate, now time.Time) (until time.Time, err error) {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	chains, err := chain[0].Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return time.Time{}, err
	}
	until = chain[0].NotAfter
	for _, c := range chains[0] {
		if c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return until, nil
}

func unverified(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return status.Error(codes.Unauthenticated, "the client certificate is not signed by an authority in client_ca")
	}
	return status.Errorf(codes.Unauthenticated, "the client certificate cannot be used: %v", err)
}

func (t *trust) knows(c *x509.Certificate, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Before(t.known[string(c.Raw)])
}

// learn notes what the pool has vouched for.
func (t *trust) learn(c *x509.Certificate, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	t.known[string(c.Raw)] = until
}

// trusted returns the authorities. Only at first there may be an error.
func (a *authorities) trusted() (*trust, error) {
	t, err := a.file.Get()
	if err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	return t, nil
}

func readAuthorities(path string) (*trust, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in PEM form in %s", path)
	}
	if begun, ended := bytes.Count(pem, []byte("-----BEGIN ")), bytes.Count(pem, []byte("-----END ")); begun != ended {
		return nil, fmt.Errorf("%s has no end", path) // half written
	}
	return &trust{pool: pool, known: map[string]time.Time{}}, nil
}
