package config

import (
	"crypto/tls"
	"net/url"
	"strconv"
	"strings"
)

// Ports of URLs that name none.
const (
	portMQTT  = 1883
	portMQTTS = 8883
	portRedis = 6379
)

// Address returns host:port of the broker.
func (b Broker) Address() string {
	if b.URL.Scheme() == "mqtts" {
		return b.URL.Address(portMQTTS)
	}
	return b.URL.Address(portMQTT)
}

// TLS returns the settings for an mqtts URL and nil for mqtt.
func (b Broker) TLS() (*tls.Config, error) {
	if b.URL.Scheme() != "mqtts" {
		return nil, nil
	}
	return b.Client(b.URL.Host())
}

// Address returns host:port of the server.
func (r Redis) Address() string { return r.URL.Address(portRedis) }

// DB returns the number of the database, 0 unless the URL names one.
func (r Redis) DB() int {
	if r.URL.IsZero() {
		return 0
	}
	db, _ := strconv.Atoi(strings.Trim(r.URL.u.Path, "/")) // checked by Load
	return db
}

// TLS returns the settings for a rediss URL and nil for redis.
func (r Redis) TLS() (*tls.Config, error) {
	if r.URL.Scheme() != "rediss" {
		return nil, nil
	}
	return r.Client(r.URL.Host())
}

// DSN returns the URL with the password and the TLS files in it, for pgx. With
// a CA and no sslmode in the URL, sslmode is verify-full.
func (p Postgres) DSN() Secret {
	if p.URL.IsZero() {
		return Secret{}
	}
	u := *p.URL.u
	if !p.Password.IsZero() {
		u.User = url.UserPassword(u.User.Username(), p.Password.Reveal())
	}
	q := u.Query()
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("sslrootcert", p.CA)
	set("sslcert", p.Cert)
	set("sslkey", p.Key)
	if p.CA != "" && !q.Has("sslmode") {
		q.Set("sslmode", "verify-full")
	}
	u.RawQuery = q.Encode()
	return NewSecret(u.String())
}
