package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// beside runs a service with its metrics and health pages beside it.
func beside(ctx context.Context, address, what string, registry *prometheus.Registry, run func(context.Context) error) error {
	l, err := listenHTTP(ctx, address, what)
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

// oneIf is a truth value as Prometheus writes it.
func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is t as Prometheus writes times; 0 for no time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
