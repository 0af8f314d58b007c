package device

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"

	"sluice"
)

// Defaults of Config.
const (
	DefaultCount      = 20
	DefaultPrefix     = "device-"
	DefaultDelay      = 30 * time.Second
	DefaultKeep       = 10_000
	DefaultKeepAlive  = 30 * time.Second
	DefaultAckTimeout = 30 * time.Second
)

// Topics of the wire contract.
const (
	topicPulse   = "pulse"
	topicConnect = "connect"
	topicWill    = "lwt"
	topicReading = "data/sensor"
)

// Config describes a fleet. Only Address is required.
type Config struct {
	// Address of the broker, host:port.
	Address string
	// User and Password log every device in; without User anonymously.
	User, Password string
	// Passwords is a folder with a file per device, which has the device's name and
	// holds its password: then each logs in with its own name. Default: all log in as
	// User.
	Passwords string
	// TLS, when not nil, is used for every connection. It is not changed.
	TLS *tls.Config

	// Count is how many devices there are. Default DefaultCount.
	Count int
	// Prefix begins the devices' names, which are also their client ids; a number
	// of at least four digits follows, from 0001. Default DefaultPrefix.
	Prefix string
	// OwnTopics appends /<device> to the topics that a device publishes to.
	OwnTopics bool
	// Interval is the time between two readings that no pulse asked for. Default
	// 0: only pulses are answered.
	Interval time.Duration
	// Delay is how long a device may be gone before it counts as down; whole
	// seconds, told in the last will. Default DefaultDelay.
	Delay time.Duration
	// Keep is how many readings a device keeps that are not acknowledged; beyond,
	// the oldest is dropped and counted. Default DefaultKeep.
	Keep int
	// Seed begins the random walks: the same seed gives the same weather at the
	// same times. Default 0.
	Seed uint64

	// KeepAlive is the MQTT keepalive in whole seconds, at most 65535 s. Default
	// DefaultKeepAlive.
	KeepAlive time.Duration
	// AckTimeout is how long a device waits for an answer of the broker before it
	// connects anew. Default DefaultAckTimeout.
	AckTimeout time.Duration
	// Unclean makes every device drop its socket without DISCONNECT when Run
	// ends, so that the broker publishes the last wills.
	Unclean bool

	// Drops are what happens to devices while Run runs. RandomDrops makes them.
	Drops []Drop
	// Dark devices take no readings while they are away or mute. By default they
	// do, and send them afterwards.
	Dark bool
	// Truth, when not nil, is told what the devices do.
	Truth *TruthLog

	// Progress, when not nil, is a terminal: one line of counts is rewritten on it
	// every second. Otherwise the counts are logged every 30 s.
	Progress io.Writer
	// Logger gets the counts and, at debug level, lost connections. Default: none.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Count = cmp.Or(c.Count, DefaultCount)
	c.Prefix = cmp.Or(c.Prefix, DefaultPrefix)
	c.Delay = cmp.Or(c.Delay, DefaultDelay)
	c.Keep = cmp.Or(c.Keep, DefaultKeep)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	c.AckTimeout = cmp.Or(c.AckTimeout, DefaultAckTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Address == "":
		return errors.New("device: no address of the broker")
	case c.Count < 1:
		return fmt.Errorf("device: count %d: use 1 or more", c.Count)
	case !sluice.ValidName(c.name(c.Count)):
		return fmt.Errorf("device: prefix %q: %q is no name for a device; use letters, digits, dot, underscore and hyphen, 64 in all",
			c.Prefix, c.name(c.Count))
	case c.Interval < 0:
		return fmt.Errorf("device: interval %v: use 0s or more", c.Interval)
	case c.Delay < time.Second:
		return fmt.Errorf("device: delay %v: use 1s or more", c.Delay)
	case c.Keep < 1:
		return fmt.Errorf("device: keep %d: use 1 or more", c.Keep)
	case c.KeepAlive < time.Second || c.KeepAlive > math.MaxUint16*time.Second:
		return fmt.Errorf("device: keepalive %v: use 1s to 65535s", c.KeepAlive)
	case c.AckTimeout < 0:
		return fmt.Errorf("device: ack timeout %v: use a positive duration", c.AckTimeout)
	}
	return c.checkDrops()
}

func (c Config) checkDrops() error {
	for i, drop := range c.Drops {
		if drop.Device < 1 || drop.Device > c.Count {
			return fmt.Errorf("device: drops[%d]: device %d: use 1 to %d", i, drop.Device, c.Count)
		}
		if drop.At < 0 {
			return fmt.Errorf("device: drops[%d]: at %v: use 0s or more", i, drop.At)
		}
	}
	return nil
}

// name returns the name of device number n, from 1.
func (c Config) name(n int) string { return fmt.Sprintf("%s%04d", c.Prefix, n) }

// topic returns where a device publishes.
func (c Config) topic(base, device string) string {
	if c.OwnTopics {
		return base + "/" + device
	}
	return base
}
