package redisq

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/redis/rueidis"

	"sluice"
)

// Profile says how durable Redis must be.
type Profile string

const (
	// Strict refuses a Redis that could lose what it has confirmed. The default.
	Strict Profile = "strict"
	// Fast warns instead. With appendfsync everysec up to 2 s may be lost.
	Fast Profile = "fast"
)

// Config says which Redis, and what it may hold.
type Config struct {
	// URL is redis://host:port/db, rediss:// for TLS, or
	// unix:///path/to/socket?db=n. A user and a password in it are honoured.
	URL string
	// User and Password replace those of the URL where they are not empty.
	User, Password string
	// TLS replaces the TLS settings of a rediss URL.
	TLS *tls.Config
	// Facility is the site whose queue this is: a letter or digit, then up to 63
	// letters, digits, '.', '_', '-'. Facilities may share a Redis.
	Facility string
	// Profile is Strict when empty.
	Profile Profile
	// AssumeDurable accepts what a managed Redis does not let us inspect. What
	// can be inspected is held to the profile all the same.
	AssumeDurable bool
	// MaxBytes is how many bytes of records the facility may queue before Append
	// answers ErrFull. 0 is 80 % of Redis' maxmemory, and no limit when it has
	// none; below 0 is no limit.
	MaxBytes int64
	// DeadPerDevice is how many dead letters of a device are kept per hour;
	// beyond it every 1000th. 0 is 1000. Letters without a device share one quota.
	DeadPerDevice int
	// Logger is silent when nil.
	Logger *slog.Logger
}

// DefaultDeadPerDevice is the default of Config.DeadPerDevice.
const DefaultDeadPerDevice = 1000

// maxDevices bounds the fields of the hourly quota hash: names come from
// outside, and 100 000 of 64 bytes are 12 MB.
const maxDevices = 100_000

func (c Config) resolve() (Config, error) {
	if c.Profile == "" {
		c.Profile = Strict
	}
	if c.DeadPerDevice == 0 {
		c.DeadPerDevice = DefaultDeadPerDevice
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var faults []error
	if !sluice.ValidName(c.Facility) {
		faults = append(faults, fmt.Errorf("facility %q: %s", c.Facility, sluice.NameRule))
	}
	if c.Profile != Strict && c.Profile != Fast {
		faults = append(faults, fmt.Errorf("redis profile %q: use %s or %s", c.Profile, Strict, Fast))
	}
	if c.DeadPerDevice < 0 {
		faults = append(faults, fmt.Errorf("dead letters per device %d: use 1 or more", c.DeadPerDevice))
	}
	return c, errors.Join(faults...)
}

// Limits of a connection. Calls are bounded by their ctx; callTimeout is the
// bound of those without one, and of the ping that finds a dead connection.
const (
	dialTimeout = 5 * time.Second
	callTimeout = 10 * time.Second
	pingAfter   = 5 * time.Second
	bufferBytes = 64 << 10
)

// options never quotes the URL in an error: it may hold a password.
func (c Config) options() (rueidis.ClientOption, error) {
	o, err := rueidis.ParseURL(c.URL)
	if err != nil {
		if inURL, ok := errors.AsType[*url.Error](err); ok {
			err = inURL.Err
		}
		return o, fmt.Errorf("redis url: %w; use redis://host:port/db, rediss://host:port/db or unix:///path", err)
	}
	if c.User != "" {
		o.Username = c.User
	}
	if c.Password != "" {
		o.Password = c.Password
	}
	if c.TLS != nil {
		o.TLSConfig = c.TLS
	}
	o.ClientName = "sluice-" + c.Facility
	o.DisableRetry = true // a push whose answer was lost may have been done
	o.DisableCache = true
	o.ForceSingleClient = true
	// Calls in flight are few and each matters: one connection per call in flight
	// and no goroutines between call and socket.
	o.DisableAutoPipelining = true
	o.ReadBufferEachConn, o.WriteBufferEachConn = bufferBytes, bufferBytes
	o.Dialer.Timeout = dialTimeout
	o.Dialer.KeepAlive = pingAfter
	o.ConnWriteTimeout = callTimeout
	return o, nil
}
