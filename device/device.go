package device

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
)

// device is one simulated device. The goroutine of takeReadings owns weather and
// lastEpoch, the one of stayConnected the connection; between them is the outbox.
type device struct {
	name   string
	cfg    Config
	counts *counts
	log    *slog.Logger
	dials  chan struct{} // shared by the fleet: at most maxDials connect at once

	outbox *outbox
	// pulses has room for one that comes while the device waits for the next
	// second.
	pulses  chan struct{}
	crashed atomic.Bool
	// down is closed by crash.
	down     chan struct{}
	downOnce sync.Once

	weather   *weather
	lastEpoch int64
}

func newDevice(cfg Config, n int, counts *counts, dials chan struct{}) *device {
	name := cfg.name(n)
	return &device{
		name:    name,
		cfg:     cfg,
		counts:  counts,
		log:     cfg.Logger.With("device", name),
		dials:   dials,
		outbox:  newOutbox(cfg.Keep),
		pulses:  make(chan struct{}, 1),
		down:    make(chan struct{}),
		weather: newWeather(cfg.Seed, n),
	}
}

func (d *device) crash() {
	d.crashed.Store(true)
	d.downOnce.Do(func() { close(d.down) })
}

// unclean tells whether the connection is to end without a DISCONNECT.
func (d *device) unclean() bool { return d.cfg.Unclean || d.crashed.Load() }

// run lives until ctx ends or the device crashes.
func (d *device) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { d.takeReadings(ctx) })
	wg.Go(func() { d.stayConnected(ctx) })
	select {
	case <-ctx.Done():
	case <-d.down:
	}
	cancel()
	wg.Wait()
}

// pulse is called by the connection for every pulse. It does not block.
func (d *device) pulse() {
	d.counts.pulses.Add(1)
	select {
	case d.pulses <- struct{}{}:
	default:
		d.counts.skipped.Add(1)
	}
}

// takeReadings takes a reading for every pulse and every interval.
func (d *device) takeReadings(ctx context.Context) {
	timer := time.NewTimer(d.firstInterval())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.pulses:
		case <-timer.C:
			timer.Reset(d.cfg.Interval)
		}
		d.takeReading(ctx)
	}
}

// firstInterval is a random part of the interval, so that the fleet spreads; for
// ever when there is none.
func (d *device) firstInterval() time.Duration {
	if d.cfg.Interval == 0 {
		return math.MaxInt64
	}
	return rand.N(d.cfg.Interval)
}

// takeReading puts one reading into the outbox. A second reading of one second
// waits for the next, since the epoch is its identity.
func (d *device) takeReading(ctx context.Context) {
	now := time.Now()
	if now.Unix() == d.lastEpoch {
		if !wait(ctx, time.Until(time.Unix(d.lastEpoch+1, 0))) {
			return
		}
		now = time.Now()
	}
	if now.Unix() <= d.lastEpoch { // the machine's clock was set back
		d.counts.skipped.Add(1)
		return
	}
	d.lastEpoch = now.Unix()
	temp, rh := d.weather.at(now)
	payload, err := proto.Marshal(&msg.SensorData{Device: d.name, Temp: temp, Rh: rh, Epoch: d.lastEpoch})
	if err != nil { // cannot be: the name is checked, the rest are numbers
		d.log.Error("reading cannot be encoded", "err", err)
		return
	}
	d.counts.taken.Add(1)
	if d.outbox.add(payload) {
		d.counts.dropped.Add(1)
	}
}

// wait returns true after delay, false when ctx ends first.
func wait(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
