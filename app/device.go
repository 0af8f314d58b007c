package app

import (
	"context"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"sluice/config"
	"sluice/device"
)

// DeviceConfig is what the simulated fleet reads of the configuration.
func DeviceConfig() []config.Option {
	return []config.Option{config.Only("broker", "device", "metrics")}
}

// Devices is the service that simulates a fleet.
type Devices struct {
	config  *config.Config
	unclean bool
	out     *os.File
	log     *slog.Logger
}

// NewDevices wires the service and starts nothing. A line of counts is kept up
// to date on out when that is a terminal; otherwise counts are logged. If unclean,
// the devices vanish at the end without a word, so that their last wills are
// published.
func NewDevices(c *config.Config, unclean bool, out *os.File, log *slog.Logger) *Devices {
	return &Devices{config: c, unclean: unclean, out: out, log: log}
}

// Run runs the fleet until ctx ends.
func (s *Devices) Run(ctx context.Context) error {
	fleet, err := s.fleet()
	if err != nil {
		return err
	}
	registry := newRegistry()
	ends(registry, s.config.Broker.Cert)
	gaugeOf(registry, "device_connected", "Simulated devices that are connected.", func() float64 { return float64(fleet.Stats().Connected) })
	gaugeOf(registry, "device_kept_readings", "Readings that wait for their acknowledgement.", func() float64 { return float64(fleet.Stats().Kept) })
	counterOf(registry, "device_readings_total", "Readings taken.", func() float64 { return float64(fleet.Stats().Taken) })
	counterOf(registry, "device_acked_total", "Readings that the broker has acknowledged.", func() float64 { return float64(fleet.Stats().Acked) })
	return beside(ctx, s.config.Metrics.Device, "device", registry, fleet.Run)
}

func (s *Devices) fleet() (*device.Fleet, error) {
	c := s.config
	tlsConfig, err := c.Broker.TLS()
	if err != nil {
		return nil, err
	}
	return device.New(device.Config{
		Address: c.Broker.Address(), User: c.Broker.User, Password: c.Broker.Password.Reveal(), TLS: tlsConfig,
		Count: c.Device.Count, Prefix: c.Device.Prefix, Interval: c.Device.Interval, Delay: c.Device.Delay,
		// Who logs in by its own name is held to topics that end in it; see `sluice users`.
		Passwords: c.Device.Passwords, OwnTopics: c.Device.Passwords != "",
		Unclean: s.unclean, Progress: progress(s.out), Logger: s.log,
	})
}

// progress returns out if a person watches it, else nil.
func progress(out *os.File) io.Writer {
	if out == nil || !term.IsTerminal(int(out.Fd())) {
		return nil
	}
	return out
}
