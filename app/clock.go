package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

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
	counterOf(registry, "clock_published_total", "Pulses that the broker has acknowledged.", func() float64 { return float64(service.Stats().Published) })
	counterOf(registry, "clock_skipped_total", "Pulses that could not be published in their interval.", func() float64 { return float64(service.Stats().Skipped) })
	gaugeOf(registry, "clock_last_pulse_timestamp_seconds", "When the last pulse was acknowledged.", func() float64 { return seconds(service.Stats().Last) })
	return beside(ctx, s.config.Metrics.Clock, "clock", registry, service.Run)
}

// beside runs a service with its metrics and health pages beside it.
func beside(ctx context.Context, address, what string, registry *prometheus.Registry, run func(context.Context) error) error {
	l, err := listenHTTP(address, what)
	if err != nil {
		return err
	}
	side, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	if l != nil {
		g.Go(func() error { return serveHTTP(side, l, healthMux(registry, nil)) })
	}
	g.Go(func() error {
		defer end()
		return run(ctx)
	})
	return g.Wait()
}

// counterOf exports a number of a service that only grows.
func counterOf(reg prometheus.Registerer, name, help string, value func() float64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "sluice", Name: name, Help: help}, value))
}

// gaugeOf exports a number of a service.
func gaugeOf(reg prometheus.Registerer, name, help string, value func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "sluice", Name: name, Help: help}, value))
}

// seconds is t as Prometheus writes times; 0 for no time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
