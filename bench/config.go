package bench

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"
)

// Defaults of Config.
const (
	DefaultDevices      = 100
	DefaultMessages     = 100_000
	DefaultWindow       = 20
	DefaultTopic        = "data/sensor"
	DefaultKeylessTopic = "bench/keyless"
	DefaultStall        = 60 * time.Second
	DefaultLatencyPoll  = 10 * time.Millisecond
)

// Protocol is the version of MQTT.
type Protocol byte

// Versions of MQTT, by the number that CONNECT carries.
const (
	MQTT311 Protocol = 4
	MQTT5   Protocol = 5
)

// Process is a program whose cost is measured: the processes named and all their
// descendants together. For PostgreSQL name the postmaster.
type Process struct {
	Name string
	PIDs []int
}

// Config describes a run. Only Address is required.
type Config struct {
	// Address of the broker, host:port.
	Address string
	// User and Password log every connection in; without User anonymously.
	User, Password string
	// TLS, when not nil, is used for every connection. It is not changed.
	TLS *tls.Config
	// Protocol defaults to MQTT5.
	Protocol Protocol

	// Devices is how many connections there are, each a device of its own named
	// bench-0001 and so on. Default DefaultDevices.
	Devices int
	// Messages is how many are published in all, spread evenly over the devices.
	// At most 100 000 000; default DefaultMessages.
	Messages int
	// Rate is the messages per second of all devices together. Default 0: as fast
	// as the broker acknowledges.
	Rate float64
	// Window is how many messages a connection may have in flight, 1 to 10 000; a
	// broker may allow fewer. Default DefaultWindow.
	Window int

	// Keyless publishes unique numbers (see Counter) instead of readings.
	Keyless bool
	// Topic to publish to. Default DefaultTopic or DefaultKeylessTopic.
	Topic string
	// OwnTopics appends /<device> to the topic.
	OwnTopics bool
	// BaseEpoch is the epoch of the first reading of every device; the k-th has
	// BaseEpoch + k. Default 0: a random one, 2000 or later, free for all devices.
	BaseEpoch int64

	// Database is the PostgreSQL connection string for the check; the session only
	// reads. Default "": nothing is checked.
	Database string
	// API is the address of an api without TLS, host:port, by which the rows are
	// checked where there is no Database that can be reached. Not with Keyless.
	API string
	// Facility is the name of the site whose rows are checked. Required with
	// Database, unless Keyless, and with API.
	Facility string
	// Stall ends the wait for PUBACKs or rows when none came for so long. Default
	// DefaultStall.
	Stall time.Duration
	// LatencyPoll is the time between two looks at which rows are visible. Default
	// DefaultLatencyPoll.
	LatencyPoll time.Duration

	// Processes are measured beside the benchmark itself.
	Processes []Process

	// Progress, when not nil, is a terminal: one line is rewritten on it every
	// second. Otherwise the counts are logged every 10 s.
	Progress io.Writer
	// Logger gets what happens. Default: none.
	Logger *slog.Logger
}

const (
	maxMessages = 100_000_000
	maxWindow   = 10_000
)

func (c Config) withDefaults() Config {
	c.Protocol = cmp.Or(c.Protocol, MQTT5)
	c.Devices = cmp.Or(c.Devices, DefaultDevices)
	c.Messages = cmp.Or(c.Messages, DefaultMessages)
	c.Window = cmp.Or(c.Window, DefaultWindow)
	c.Stall = cmp.Or(c.Stall, DefaultStall)
	c.LatencyPoll = cmp.Or(c.LatencyPoll, DefaultLatencyPoll)
	if c.Keyless {
		c.Topic = cmp.Or(c.Topic, DefaultKeylessTopic)
	}
	c.Topic = cmp.Or(c.Topic, DefaultTopic)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Address == "":
		return errors.New("bench: no address of the broker")
	case c.Protocol != MQTT311 && c.Protocol != MQTT5:
		return fmt.Errorf("bench: protocol %d: use %d for MQTT 3.1.1 or %d for MQTT 5", c.Protocol, MQTT311, MQTT5)
	case c.Devices < 1:
		return fmt.Errorf("bench: devices %d: use 1 or more", c.Devices)
	case c.Messages < c.Devices || c.Messages > maxMessages:
		return fmt.Errorf("bench: messages %d: use %d (one per device) to %d", c.Messages, c.Devices, maxMessages)
	case c.Rate < 0 || math.IsNaN(c.Rate) || math.IsInf(c.Rate, 0):
		return fmt.Errorf("bench: rate %v: use a positive number, or 0 for full speed", c.Rate)
	case c.Window < 1 || c.Window > maxWindow:
		return fmt.Errorf("bench: window %d: use 1 to %d", c.Window, maxWindow)
	case c.BaseEpoch != 0 && c.BaseEpoch < minEpoch:
		return fmt.Errorf("bench: base epoch %d: use %d (2000-01-01) or later", c.BaseEpoch, minEpoch)
	case c.Database != "" && c.Facility == "" && !c.Keyless:
		return errors.New("bench: no facility whose rows are to be checked")
	case c.API != "" && (c.Database != "" || c.Keyless || c.Facility == ""):
		return errors.New("bench: an api needs the name of the facility, and goes neither with a database nor with keyless")
	case c.Stall < 0:
		return fmt.Errorf("bench: stall %v: use a positive duration", c.Stall)
	case c.LatencyPoll < 0:
		return fmt.Errorf("bench: latency poll %v: use a positive duration", c.LatencyPoll)
	}
	return nil
}

// String returns the name of the version: 3.1.1 or 5.
func (p Protocol) String() string {
	if p == MQTT311 {
		return "3.1.1"
	}
	return "5"
}
