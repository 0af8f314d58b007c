package clock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Defaults of Config.
const (
	DefaultInterval = 10 * time.Second
	DefaultTopic    = "pulse"
)

// Publisher publishes one message and returns when the broker has acknowledged
// it, or with an error when ctx ends first. It keeps its own connection alive.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte, qos byte) error
}

// Config says when to publish. Only Publisher is required.
type Config struct {
	// Publisher carries the pulses.
	Publisher Publisher
	// Topic of the pulses. Default DefaultTopic.
	Topic string
	// Interval is the time between two pulses. Default DefaultInterval.
	Interval time.Duration
	// Jitter delays each pulse by a random time in [0, Jitter), so that the
	// pulses of many facilities spread. At most Interval; default 0.
	Jitter time.Duration
	// Count ends Run after that many published pulses. Default 0: never.
	Count int
	// Logger gets the beginning and the end of an outage of the broker. Default:
	// none.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Topic = cmp.Or(c.Topic, DefaultTopic)
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	switch {
	case c.Publisher == nil:
		return errors.New("clock: no publisher")
	case c.Interval < 0:
		return fmt.Errorf("clock: interval %v: use a positive duration", c.Interval)
	case c.Jitter < 0 || c.Jitter > c.Interval:
		return fmt.Errorf("clock: jitter %v: use 0s to the interval, %v", c.Jitter, c.Interval)
	case c.Count < 0:
		return fmt.Errorf("clock: count %d: use 1 or more, or 0 for no end", c.Count)
	}
	return nil
}
