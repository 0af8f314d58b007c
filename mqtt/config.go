package mqtt

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"time"

	"sluice"
)

// Defaults of Config.
const (
	DefaultClientID       = "sluice"
	DefaultReceiveMaximum = 2000
	DefaultSessionExpiry  = 7 * 24 * time.Hour
	DefaultKeepAlive      = 30 * time.Second
	DefaultGather         = 30 * time.Millisecond
	DefaultConnectTimeout = 10 * time.Second
)

// Config says how to reach a broker and what to receive from it. The zero value
// of every field but URL, and Filters for a Source, works.
type Config struct {
	// URL is mqtt://host:1883, tcp://host:1883 or mqtts://host:8883; the port
	// may be left out.
	URL string
	// ClientID names the session at the broker. Default: User, else
	// DefaultClientID for a Source and one of the broker's choice for a
	// Publisher. Two connections of one id throw each other off.
	ClientID string
	// User and Password log in; without User the connection is anonymous.
	User, Password string
	// TLS is used with mqtts. Default: the system's roots and the host's name.
	// It is not changed.
	TLS *tls.Config
	// Filters are what a Source subscribes to, at QoS 1. A Publisher ignores
	// them.
	Filters []sluice.Filter
	// Sync, when not empty, is the marker topic of Session.Mark; a Source then also
	// subscribes to it, and to sluice.TopicUptime at QoS 0. A Publisher ignores it.
	Sync string
	// ReceiveMaximum is how many QoS 1 messages the broker may send ahead of
	// their acknowledgement, 1 to 65535. Default DefaultReceiveMaximum.
	ReceiveMaximum int
	// SessionExpiry is how long the broker keeps the session of a Source, and
	// what it queues for it, after the connection ends; whole seconds. Default
	// DefaultSessionExpiry.
	SessionExpiry time.Duration
	// KeepAlive is the longest silence before the connection is probed, 1 s to
	// 65535 s, whole seconds. The broker may demand a shorter one. Default
	// DefaultKeepAlive.
	KeepAlive time.Duration
	// Gather is the least time between the starts of two reads while messages
	// arrive: what comes in between is read at once, which is what keeps a
	// message cheap at low rates. It delays a message by at most this much, and
	// one that comes after a pause not at all. Default DefaultGather; negative:
	// read whenever there is anything.
	Gather time.Duration
	// ConnectTimeout bounds dialling, TLS and the MQTT handshake together.
	// Default DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// MaxPayload, when positive, makes a Source keep MaxPayload+1 bytes of a
	// longer payload and drop the rest unread, so that giant messages need no
	// memory. It must be at least the largest MaxPayload of the routes: the
	// router then sees that the message is too large. Default: keep all.
	MaxPayload int
	// Logger gets what concerns a whole connection, nothing per message.
	// Default: none.
	Logger *slog.Logger
}

// withDefaults returns the configuration with every default filled in except
// ClientID's, which depends on the use.
func (c Config) withDefaults() Config {
	c.ClientID = cmp.Or(c.ClientID, c.User)
	c.ReceiveMaximum = cmp.Or(c.ReceiveMaximum, DefaultReceiveMaximum)
	c.SessionExpiry = cmp.Or(c.SessionExpiry, DefaultSessionExpiry)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	c.Gather = cmp.Or(c.Gather, DefaultGather)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check reports the first value that MQTT has no room for.
func (c Config) check() error {
	switch {
	case c.ReceiveMaximum < 1 || c.ReceiveMaximum > math.MaxUint16:
		return fmt.Errorf("receive maximum %d: use 1 to 65535", c.ReceiveMaximum)
	case c.KeepAlive < time.Second || c.KeepAlive > math.MaxUint16*time.Second:
		return fmt.Errorf("keepalive %v: use 1s to 65535s", c.KeepAlive)
	case c.SessionExpiry < time.Second || c.SessionExpiry > math.MaxUint32*time.Second:
		return fmt.Errorf("session expiry %v: use 1s to %v", c.SessionExpiry, math.MaxUint32*time.Second)
	case c.ConnectTimeout < 0:
		return fmt.Errorf("connect timeout %v: use a positive duration", c.ConnectTimeout)
	}
	_, err := c.endpoint()
	return err
}

// endpoint is where and how to dial.
type endpoint struct {
	address string // host:port
	host    string
	secure  bool
}

func (c Config) endpoint() (endpoint, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		// The error of url.Parse quotes the URL, which may hold a password.
		return endpoint{}, fmt.Errorf("broker url: cannot be read; use mqtt://host:1883 or mqtts://host:8883")
	}
	e := endpoint{host: u.Hostname()}
	port := "1883"
	switch u.Scheme {
	case "mqtt", "tcp":
	case "mqtts":
		e.secure, port = true, "8883"
	default:
		return e, fmt.Errorf("broker url: scheme %q is not known; use mqtt, tcp or mqtts", u.Scheme)
	}
	if e.host == "" {
		return e, fmt.Errorf("broker url: no host; use mqtt://host:1883 or mqtts://host:8883")
	}
	if u.User != nil {
		return e, fmt.Errorf("broker url: holds a user name; give user and password on their own")
	}
	e.address = net.JoinHostPort(e.host, cmp.Or(u.Port(), port))
	return e, nil
}

// tlsConfig returns a copy of the configured TLS settings for a host.
func (c Config) tlsConfig(host string) *tls.Config {
	t := &tls.Config{}
	if c.TLS != nil {
		t = c.TLS.Clone()
	}
	t.ServerName = cmp.Or(t.ServerName, host)
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	return t
}
