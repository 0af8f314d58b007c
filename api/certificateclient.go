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
)

// authorities judges the certificates of clients by those in a file, as it was
// last. Safe for concurrent use.
type authorities struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex
	read string // what the file looked like
	pool *x509.CertPool
	// known are certificates that pool has vouched for, in DER, and until when its
	// chain is valid: the signatures of a connection are checked once, not per call.
	known map[string]time.Time
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
	pool, err := a.trusted()
	if err != nil {
		return err
	}
	if a.knows(chain[0], now) {
		return nil
	}
	until, err := verifyChain(pool, chain, now)
	if err != nil {
		return unverified(err)
	}
	a.learn(pool, chain[0], until)
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

func (a *authorities) knows(c *x509.Certificate, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return now.Before(a.known[string(c.Raw)])
}

// learn notes what pool has vouched for, unless there is another by now.
func (a *authorities) learn(pool *x509.CertPool, c *x509.Certificate, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pool != pool {
		return
	}
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[string(c.Raw)] = until
}

// trusted returns the authorities. Only at first there may be an error.
func (a *authorities) trusted() (*x509.CertPool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := look(a.path)
	if a.pool != nil && now == a.read {
		return a.pool, nil
	}
	fresh, err := readAuthorities(a.path)
	switch {
	case err == nil:
		a.pool, a.known = fresh, map[string]time.Time{}
	case a.pool == nil:
		return nil, fmt.Errorf("client_ca: %w", err)
	default: // as for a pair
		a.log.Warn("client_ca not reloaded; the one before stays", "client_ca", a.path, "err", err)
	}
	a.read = now
	return a.pool, nil
}

func readAuthorities(path string) (*x509.CertPool, error) {
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
	return pool, nil
}
