package device

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
)

// device is one simulated device. The goroutine of takeReadings owns weather and
// lastEpoch, the one of stayConnected the connection and hushed; between them is
// the outbox. line and mute may be used by anybody.
type device struct {
	name   string
	cfg    Config
	counts *counts
	log    *slog.Logger
	dials  chan struct{} // shared by the fleet: at most maxDials connect at once

	outbox *outbox
	// pulses has room for one that comes while the device waits for the next
	// second.
	pulses chan struct{}

	line   *line
	mute   *mute
	hushed bool // mute, as the truth log has it

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
		line:    newLine(name, cfg.Truth),
		mute:    newMute(),
		weather: newWeather(cfg.Seed, n),
	}
}

// run lives until ctx ends or the line is cut for good.
func (d *device) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !d.line.start(cancel) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { d.takeReadings(ctx) })
	d.stayConnected(ctx)
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

// asleep tells whether the device takes no readings now.
func (d *device) asleep() bool {
	return d.cfg.Dark && (d.line.away() > 0 || d.mute.left() > 0)
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
	if d.asleep() {
		return
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
