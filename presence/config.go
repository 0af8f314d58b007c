package presence

import (
	"cmp"
	"log/slog"
	"time"
)

// Config configures a Keeper. Every zero field has the stated default.
type Config struct {
	// Facility names the site; the marker's topic bears it. Required.
	Facility string
	// Events: outages, recoveries and restarts of the broker enter the queue of
	// events, so that they are reported.
	Events bool
	// MinDelay and MaxDelay are what the delay of a will is clamped to. Defaults 1 s
	// and 7 d.
	MinDelay, MaxDelay time.Duration
	// Direct: devices connect to the router itself (see sluice.Door). Then no broker
	// tells its uptime, and deadlines are not held: the store holds back what a replica
	// that is no more still answers for.
	Direct bool
	// ReconnectGrace is how long devices have to come back after a restart of the
	// broker, and how long deadlines are held after a reconnect when the broker does
	// not tell its uptime. Default 120 s.
	ReconnectGrace time.Duration
	// RetryMin and RetryMax bound the delay before a failed call of the store is
	// repeated. Defaults 100 ms and 2 s.
	RetryMin, RetryMax time.Duration
	// CallTimeout bounds each call of the store. Default 5 s.
	CallTimeout time.Duration
	// Logger default: none.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MinDelay = cmp.Or(c.MinDelay, time.Second)
	c.MaxDelay = cmp.Or(c.MaxDelay, 7*24*time.Hour)
	c.ReconnectGrace = cmp.Or(c.ReconnectGrace, 120*time.Second)
	c.RetryMin = cmp.Or(c.RetryMin, 100*time.Millisecond)
	c.RetryMax = cmp.Or(c.RetryMax, 2*time.Second)
	c.CallTimeout = cmp.Or(c.CallTimeout, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
