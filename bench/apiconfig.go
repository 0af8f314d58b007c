package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Defaults of APIConfig.
const (
	DefaultRuns = 3
	// slowRows is how many rows a slow reader reads in a second.
	slowRows = 5000
	// readerRows is how many rows each of several readers reads at most.
	readerRows = 1_000_000
)

// APIConfig describes a run against an api that is running. Only Target is
// required.
type APIConfig struct {
	// Target is the address of its gRPC server, host:port.
	Target string
	// TLS, when not nil, is used for every connection. It is not changed.
	TLS *tls.Config
	// Database is the connection string of the database that the api reads, for the
	// comparison with COPY. Default "": no comparison.
	Database string

	// From and To bound a time range that is read too, Unix seconds: From <= epoch <
	// To. 0 means no bound; both 0: no such reading.
	From, To int64
	// Devices are names: the range is read of these too.
	Devices []string
	// Runs is how many times each reading is measured. Default DefaultRuns.
	Runs int

	// Readers is how many readers there are at once, each with a connection and at
	// most a million rows. Default 0: this is not measured.
	Readers int
	// Slow has each of them read 5000 rows a second for so long, before it reads
	// the rest at full speed.
	Slow time.Duration
	// Stop has two readers stop for so long, one on the connection of those that go
	// on. Default 0: this is not measured.
	Stop time.Duration

	// Processes are measured beside the benchmark itself.
	Processes []Process
	// Progress and Logger are as in Config.
	Progress io.Writer
	Logger   *slog.Logger
}

func (c APIConfig) withDefaults() APIConfig {
	if c.Runs == 0 {
		c.Runs = DefaultRuns
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c APIConfig) check() error {
	switch {
	case c.Target == "":
		return errors.New("bench: no address of the api")
	case c.From < 0 || c.To < 0 || (c.To > 0 && c.To <= c.From):
		return fmt.Errorf("bench: from %d to %d is no time range", c.From, c.To)
	case len(c.Devices) > 0 && !c.ranged():
		return errors.New("bench: devices without a time range; give one")
	case c.Runs < 1:
		return fmt.Errorf("bench: runs %d: use 1 or more", c.Runs)
	case c.Readers < 0:
		return fmt.Errorf("bench: readers %d: use 0 or more", c.Readers)
	case c.Slow < 0 || c.Stop < 0:
		return fmt.Errorf("bench: slow %v, stop %v: use positive durations", c.Slow, c.Stop)
	}
	return nil
}

// ranged tells whether a time range is read.
func (c APIConfig) ranged() bool { return c.From > 0 || c.To > 0 }
