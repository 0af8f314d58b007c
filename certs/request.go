package certs

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"sluice"
)

// Day is the unit of a certificate's life.
const Day = 24 * time.Hour

// MaxLife is the longest life of a certificate: there is no revocation.
const MaxLife = 825 * Day

// Request asks for a certificate.
type Request struct {
	Name string // by sluice.ValidName, and not ca
	Kind Kind
	// Hosts are DNS names and IP addresses at which clients reach the server. Servers
	// need one at least, a batch-router only for its front door, others none.
	Hosts []string
	Life  time.Duration // 1 h to MaxLife; it ends with the authority at the latest
}

// Check says what is wrong with the request, and what to do.
func (r Request) Check() error {
	switch {
	case !sluice.ValidName(r.Name):
		return fmt.Errorf("%q is no name here: %s", r.Name, sluice.NameRule)
	case strings.EqualFold(r.Name, authorityName):
		return fmt.Errorf("%q is the authority's own name; choose another", r.Name)
	case r.Life < time.Hour || r.Life > MaxLife:
		return fmt.Errorf("a life of %v: use 1 h to %d days", r.Life, MaxLife/Day)
	}
	if _, err := ParseKind(string(r.Kind)); err != nil {
		return err
	}
	return r.checkHosts()
}

func (r Request) checkHosts() error {
	use := r.Kind.use()
	switch {
	case !use.server && len(r.Hosts) > 0:
		return fmt.Errorf("a certificate for a %s names no host: nobody connects to it", r.Kind)
	case use.server && !use.hostless && len(r.Hosts) == 0:
		return fmt.Errorf("a certificate for a %s names the host by which clients reach it; give one or more", r.Kind)
	}
	for _, h := range r.Hosts {
		if err := checkHost(h); err != nil {
			return fmt.Errorf("host %q: %w", h, err)
		}
	}
	return nil
}

// checkHost takes IP addresses and DNS names [RFC 1123 2.1], which may begin with `*.`.
func checkHost(host string) error {
	if net.ParseIP(host) != nil {
		return nil
	}
	if len(host) > 253 {
		return errors.New("a DNS name has 253 characters at most")
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(host, "*."), ".") {
		if !validLabel(label) {
			return errors.New("no DNS name and no IP address; write it without scheme and port")
		}
	}
	return nil
}

func validLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	const ldh = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return strings.Trim(s, ldh) == ""
}

// split parts hosts into names and addresses.
func split(hosts []string) (names []string, addresses []net.IP) {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			addresses = append(addresses, ip)
			continue
		}
		names = append(names, h)
	}
	return names, addresses
}

// uri is the one that the certificate has.
func (r Request) uri() *url.URL {
	return &url.URL{Scheme: "sluice", Host: r.Kind.class(), Path: "/" + r.Name}
}
