package api

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Clients are the facilities that each client may read, by its name. A client
// that is not in it reads nothing.
type Clients map[string][]string

// reader is who calls and what it may read.
type reader struct {
	name string // empty without TLS
	all  bool
	// facilities are names.
	facilities []string
}

func (r reader) may(facility string) bool { return r.all || slices.Contains(r.facilities, facility) }

// reader returns who makes the call of ctx, or refuses: on the gRPC port by the
// certificate of the connection, over HTTP by that or else by a password. Without
// TLS, which is for loopback only, everybody may read everything.
func (s *Server) reader(ctx context.Context) (reader, error) {
	if s.c.TLS == nil {
		return reader{all: true}, nil
	}
	chain, authorization := identity(ctx)
	r, err := s.client(chain)
	if err != nil && authorization != "" {
		return s.user(authorization)
	}
	return r, err
}

// identity returns what a call tells of its caller. Without TLS it tells nothing.
func identity(ctx context.Context) (chain []*x509.Certificate, authorization string) {
	p, _ := peer.FromContext(ctx)
	if p == nil {
		return nil, ""
	}
	switch info := p.AuthInfo.(type) {
	case certified:
		return info.State.PeerCertificates, ""
	case credentials.TLSInfo: // over HTTP
		return info.State.PeerCertificates, strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), " ")
	}
	return nil, ""
}

// client returns whom a certificate names.
func (s *Server) client(chain []*x509.Certificate) (reader, error) {
	if err := s.c.TLS.authorities.check(chain); err != nil {
		return reader{}, err
	}
	name, err := clientName(chain[0])
	if err != nil {
		return reader{}, err
	}
	facilities, ok := s.c.Clients[name]
	if !ok {
		return reader{}, fmt.Errorf("%w: client %q is not in api.clients", errForbidden, name)
	}
	return reader{name: name, facilities: facilities}, nil
}

// clientName returns <name> of the one URI sluice://client/<name> that a client's
// certificate has. One that also names a device or a service is refused: those
// are given out for other doors.
func clientName(c *x509.Certificate) (name string, err error) {
	for _, u := range c.URIs {
		if u.Scheme != "sluice" {
			continue
		}
		if u.Host != "client" || name != "" || !plain(u) {
			return "", fmt.Errorf("%w: the certificate has the URI %q; wanted is one, sluice://client/<name>", errForbidden, u)
		}
		name = u.Path[1:]
	}
	if name == "" {
		return "", fmt.Errorf("%w: the certificate has no URI sluice://client/<name>", errForbidden)
	}
	return name, nil
}

// plain reports whether a URI is scheme, host and one level of path.
func plain(u *url.URL) bool {
	return len(u.Path) > 1 && !strings.Contains(u.Path[1:], "/") && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// admit refuses a request that names a facility which its caller may not read.
func (r reader) admit(request any) error {
	m, ok := request.(interface{ GetFacilities() []string })
	if !ok {
		return nil
	}
	for _, name := range m.GetFacilities() {
		if !r.may(name) {
			return fmt.Errorf("%w: facility %.80q", errForbidden, name)
		}
	}
	return nil
}
