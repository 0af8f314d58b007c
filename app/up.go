package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"sluice/config"
	"sluice/device"
)

// Defaults of `sluice up`.
const (
	// UpFolder is where its data are, relative to the working folder.
	UpFolder = "sluice-data"
	// AdminSocket is the name of its admin socket in that folder.
	AdminSocket = "admin.sock"
	// UpListen is the address for devices that no configuration names.
	UpListen = "127.0.0.1:1883"
	// UpFacility is the facility that no configuration names.
	UpFacility = "local"
	// upDelay is the delay of the simulated devices' wills.
	upDelay = 10 * time.Second
	// upInterval is the time between two pulses to simulated devices.
	upInterval = 2 * time.Second
)

// UpOptions say what `sluice up` does beside its configuration.
type UpOptions struct {
	// Dir holds the data and the admin socket. It is made if it does not exist.
	Dir string
	// Listen is the address for devices, unless the configuration names any.
	Listen string
	// Demo is how many devices are simulated; 0 for none, and no clock.
	Demo int
	// Postgres: rows are kept in store.postgres, not in Dir.
	Postgres bool
	// Out gets the addresses and, if it is a terminal, a line of counts.
	Out io.Writer
	// Terminal: Out is one.
	Terminal bool
}

// UpConfig is what `sluice up` reads of the configuration. Devices, readers and
// Prometheus find it on this machine only, unless the configuration says otherwise.
func UpConfig(sinks Sinks, o UpOptions) []config.Option {
	keys := []string{"facility", "listen", "routes", "presence", "notify", "dead", "gather", "api", "clock", "device", "admin", "metrics", "shutdown_timeout"}
	if o.Postgres {
		keys = append(keys, "store")
	}
	preset := func(c *config.Config) {
		c.Facility = UpFacility
		c.Listen.Addresses = []config.ListenAddress{{Address: o.Listen}}
		c.Admin = filepath.Join(o.Dir, AdminSocket)
		c.Metrics = config.Metrics{BatchRouter: "127.0.0.1:9464"}
		c.Clock.Interval = upInterval
		c.Device.Delay, c.Device.Prefix = upDelay, "demo-"
	}
	return []config.Option{config.Preset(preset), config.Only(keys...), config.Sinks(sinks.Names()...)}
}

// Up is the whole pipeline in one process: the front door, queue, presence, handlers
// and api, on a file.
type Up struct {
	config *config.Config
	o      UpOptions
	sinks  Sinks
	log    *slog.Logger
	screen *screen
	fleet  *device.Fleet // nil without Demo
}

// NewUp wires the process and starts nothing. The log is written to w.
func NewUp(c *config.Config, o UpOptions, sinks Sinks, w io.Writer) *Up {
	u := &Up{config: c, o: o, sinks: sinks, screen: newScreen(o.Out, o.Terminal)}
	u.log = u.screen.logger(w, c.LogLevel())
	return u
}

// Run works until ctx ends, and then ends its parts one after another, so that what
// devices have sent is stored: it returns nil when all are gone. It returns an error
// for what no retry mends: an address in use, a file that cannot be used. If systemd has
// started the process, it is told when devices may connect. Call it once.
func (u *Up) Run(ctx context.Context) error {
	return supervised(ctx, u.vitals(), u.log, u.run)
}

func (u *Up) run(ctx context.Context) error {
	if err := u.check(ctx); err != nil {
		return err
	}
	closing := teardown{log: u.log}
	defer closing.run()
	s, err := u.open(ctx, &closing)
	if err != nil {
		return err
	}
	parts, err := u.parts(s)
	if err != nil {
		return err
	}
	return runParts(ctx, parts)
}

// check refuses what would only show when everything else runs.
func (u *Up) check(ctx context.Context) error {
	for i, a := range u.config.Listen.Addresses {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.Address)
		if err != nil {
			return fmt.Errorf("listen.addresses[%d]: %w (another program, perhaps a broker, has the address; use --listen with another one)", i, err)
		}
		l.Close()
	}
	if l := u.config.Listen; u.o.Demo > 0 && (l.Users != "" || l.Addresses[0].TLS.Given()) {
		return fmt.Errorf("--demo: the simulated devices know neither a password nor TLS, which listen asks for; leave --demo out, or run `device` with a configuration of its own")
	}
	return nil
}

// parts are the parts of the process, in the order of their start.
func (u *Up) parts(s stores) (parts []part, err error) {
	router := NewBatchRouter(u.config, u.sinks, u.log)
	if u.o.Demo > 0 {
		if u.fleet, err = u.newFleet(); err != nil {
			return nil, err
		}
		router.fleet = u.fleet
	}
	parts = []part{
		{"api", func(ctx context.Context) error { return NewAPI(u.config, u.log).work(ctx, newRegistry(), s.read) }},
		{"batch-router", func(ctx context.Context) error { return router.work(ctx, s.queue, router.newDatabase(s.rows)) }},
		{"counts", u.show},
	}
	if u.fleet != nil {
		parts = append(parts, part{"clock", u.newClock().Run}, part{"devices", u.fleet.Run})
	}
	return parts, nil
}

func (u *Up) newFleet() (*device.Fleet, error) {
	c := u.config.Device
	return device.New(device.Config{
		Address: u.door().Address(), Count: u.o.Demo, Prefix: c.Prefix, Interval: c.Interval, Delay: c.Delay, Logger: u.log,
	})
}

// newClock makes a clock that pulses through the front door.
func (u *Up) newClock() *Clock {
	c := *u.config
	c.Broker = u.door()
	return NewClock(&c, 0, u.log)
}

// door is the front door as a broker.
func (u *Up) door() config.Broker {
	return config.Broker{URL: config.DoorURL(u.config.Listen.Addresses[0].Address, false)}
}
