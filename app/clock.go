package app

import (
	"context"
	"log/slog"

	"sluice/clock"
	"sluice/config"
	"sluice/mqtt"
)

// ClockConfig is what the clock reads of the configuration.
func ClockConfig() []config.Option {
	return []config.Option{config.Only("broker", "clock", "metrics")}
}

// Clock is the service that publishes the pulse.
type Clock struct {
	config *config.Config
	count  int
	log    *slog.Logger
}

// NewClock wires the service and starts nothing. It ends after count pulses; 0
// means never.
func NewClock(c *config.Config, count int, log *slog.Logger) *Clock {
	return &Clock{config: c, count: count, log: log}
}

// Run publishes until ctx ends or the count is reached.
func (s *Clock) Run(ctx context.Context) error {
	closing := teardown{log: s.log}
	defer closing.run()
	c, err := brokerConfig(s.config.Broker, s.log)
	if err != nil {
		return err
	}
	if c.User != "" { // each publisher its own id, whatever the broker maps it to
		c.ClientID = c.User + "-clock"
	}
	publisher, err := mqtt.NewPublisher(c)
	if err != nil {
		return err
	}
	closing.add("publisher", publisher.Close)
	service, err := clock.New(clock.Config{
		Publisher: pulsePublisher{publisher},
		Interval:  s.config.Clock.Interval,
		Jitter:    s.config.Clock.Jitter,
		Count:     s.count,
		Logger:    s.log,
	})
	if err != nil {
		return err
	}
	registry := newRegistry()
	ends(registry, s.config.Broker.Cert)
	counterOf(registry, "clock_published_total", "Pulses that the broker has acknowledged.", func() float64 { return float64(service.Stats().Published) })
	counterOf(registry, "clock_skipped_total", "Pulses that could not be published in their interval.", func() float64 { return float64(service.Stats().Skipped) })
	gaugeOf(registry, "clock_last_pulse_timestamp_seconds", "When the last pulse was acknowledged.", func() float64 { return seconds(service.Stats().Last) })
	return beside(ctx, s.config.Metrics.Clock, "clock", registry, service.Run)
}

// pulsePublisher is what the clock needs of a publisher.
type pulsePublisher struct{ *mqtt.Publisher }

// Publish implements clock.Publisher.
func (p pulsePublisher) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	_, err := p.Publisher.Publish(ctx, topic, payload, qos)
	return err
}
