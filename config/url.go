package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// URL is an address that may hold a secret. It is printed everywhere, like
// Secret, but with only the secret redacted: the password, and of http and https
// all that is not scheme, host and port, for whoever knows the path of a webhook
// can post to it. The zero value is no URL. Safe to copy and to share.
type URL struct {
	u *url.URL // never changed once it is here
}

// ParseURL reads an absolute URL, such as mqtt://user:password@host:1883. The
// error never contains s.
func ParseURL(s string) (URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return URL{}, errors.New("not a URL; write scheme://host:port, with %-escapes for special characters of the password")
	}
	if u.Fragment != "" {
		return URL{}, errors.New("a URL here has no #; write %23 if it belongs to the password")
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return URL{}, errors.New("what follows the ? is not name=value&name=value")
	}
	return URL{u}, nil
}

// IsZero tells whether there is no URL.
func (u URL) IsZero() bool { return u.u == nil }

// Reveal returns the whole URL with its password, "" for none.
func (u URL) Reveal() string {
	if u.IsZero() {
		return ""
	}
	return u.u.String()
}

// Equal tells whether both are the same URL, password included.
func (u URL) Equal(v URL) bool { return u.Reveal() == v.Reveal() }

// Scheme returns what stands before ://, in lower case.
func (u URL) Scheme() string {
	if u.IsZero() {
		return ""
	}
	return u.u.Scheme
}

// Host returns the host without its port; an IPv6 address without brackets.
func (u URL) Host() string {
	if u.IsZero() {
		return ""
	}
	return u.u.Hostname()
}

// Address returns host:port for dialling; port is for a URL that names none.
func (u URL) Address(port int) string {
	if u.IsZero() {
		return ""
	}
	p := u.u.Port()
	if p == "" {
		p = strconv.Itoa(port)
	}
	return net.JoinHostPort(u.u.Hostname(), p)
}

// masked stands for what is redacted of a URL.
const masked = "xxxxx"

// String returns the URL with xxxxx for its password and for the parameters
// that are called like one; of http and https for each part that may be a secret.
func (u URL) String() string {
	switch u.Scheme() {
	case "":
		return ""
	case "http", "https":
		return u.place()
	}
	c := *u.u
	q := c.Query()
	for name := range q {
		if n := strings.ToLower(name); strings.Contains(n, "pass") || strings.Contains(n, "secret") {
			q.Set(name, masked)
			c.RawQuery = q.Encode()
		}
	}
	return c.Redacted()
}

// place returns the URL with only its scheme, host and port in the open.
func (u URL) place() string {
	c := url.URL{Scheme: u.u.Scheme, Host: u.u.Host}
	if u.u.User != nil {
		c.User = url.User(masked)
	}
	if strings.Trim(u.u.Path, "/") != "" {
		c.Path = "/" + masked
	}
	if u.u.RawQuery != "" {
		c.RawQuery = masked
	}
	return c.String()
}

// Format prints String for every verb.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue is for log/slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is for encoding/json and all encoders that know text.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalYAML is for YAML.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// takeUser returns the URL without user and password, and both.
func (u URL) takeUser() (rest URL, user string, password Secret) {
	if u.IsZero() || u.u.User == nil {
		return u, "", Secret{}
	}
	c := *u.u
	text, _ := c.User.Password()
	user, c.User = c.User.Username(), nil
	return URL{&c}, user, NewSecret(text)
}
