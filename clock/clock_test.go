package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pulse is one call of a fakePublisher that succeeded.
type pulse struct {
	At      time.Duration // since the publisher was made
	Topic   string
	Payload string
	QoS     byte
}

// fakePublisher records pulses in virtual time. During an outage a call fails at
// once, or with block at the end of its context.
type fakePublisher struct {
	start    time.Time
	from, to time.Duration // the outage
	block    bool
	pulses   []pulse
}

func (p *fakePublisher) Publish(ctx context.Context, topic string, payload []byte, qos byte) error {
	at := time.Since(p.start)
	if at >= p.from && at < p.to {
		if p.block {
			<-ctx.Done()
			return ctx.Err()
		}
		return errors.New("no connection")
	}
	p.pulses = append(p.pulses, pulse{at, topic, string(payload), qos})
	return nil
}

func (p *fakePublisher) times() []time.Duration {
	var at []time.Duration
	for _, pulse := range p.pulses {
		at = append(at, pulse.At)
	}
	return at
}

// run runs a clock in the bubble of a synctest to its end or until the time is up.
func run(t *testing.T, cfg clock.Config, limit time.Duration) clock.Stats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, err := clock.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return c.Stats()
}

func TestClock_PublishesEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePublisher{start: time.Now()}
		stats := run(t, clock.Config{Publisher: p}, 25*time.Second)
		want := []pulse{
			{0, "pulse", "", 1},
			{10 * time.Second, "pulse", "", 1},
			{20 * time.Second, "pulse", "", 1},
		}
		if diff := cmp.Diff(want, p.pulses); diff != "" {
			t.Errorf("pulses (-want +got):\n%s", diff)
		}
		last := p.start.Add(20 * time.Second)
		if stats.Published != 3 || stats.Skipped != 0 || !stats.Last.Equal(last) {
			t.Errorf("got %+v, want 3 published, 0 skipped, the last at %v", stats, last)
		}
	})
}

func TestClock_CountEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePublisher{start: time.Now()}
		run(t, clock.Config{Publisher: p, Interval: time.Minute, Count: 4}, time.Hour)
		if got := time.Since(p.start); got != 3*time.Minute || len(p.pulses) != 4 {
			t.Errorf("got %d pulses in %v, want 4 in 3m0s", len(p.pulses), got)
		}
	})
}

func TestClock_OutageSkipsAndCounts(t *testing.T) {
	for name, block := range map[string]bool{"publisher fails": false, "publisher blocks": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The pulses of 10 s and 20 s fail for good; the one of 30 s, too,
				// unless the publisher fails at once and so can try again in time.
				p := &fakePublisher{start: time.Now(), from: 5 * time.Second, to: 34 * time.Second, block: block}
				stats := run(t, clock.Config{Publisher: p}, 55*time.Second)
				want := []time.Duration{0, 34 * time.Second, 40 * time.Second, 50 * time.Second}
				skipped := int64(2)
				if block {
					want, skipped = []time.Duration{0, 40 * time.Second, 50 * time.Second}, 3
				}
				if diff := cmp.Diff(want, p.times()); diff != "" {
					t.Errorf("times of the pulses (-want +got):\n%s", diff)
				}
				if stats.Skipped != skipped {
					t.Errorf("got %d skipped, want %d", stats.Skipped, skipped)
				}
			})
		})
	}
}

func TestClock_JitterStaysInItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePublisher{start: time.Now()}
		run(t, clock.Config{Publisher: p, Interval: 10 * time.Second, Jitter: 4 * time.Second, Count: 200}, time.Hour)
		distinct := map[time.Duration]bool{}
		for i, at := range p.times() {
			delay := at - time.Duration(i)*10*time.Second
			if delay < 0 || delay >= 4*time.Second {
				t.Fatalf("pulse %d is delayed by %v, want 0s to 4s", i, delay)
			}
			distinct[delay] = true
		}
		if len(distinct) < 100 {
			t.Errorf("got %d distinct delays of 200, want a spread", len(distinct))
		}
	})
}

func TestNew_RefusesBadConfig(t *testing.T) {
	p := &fakePublisher{}
	for name, cfg := range map[string]clock.Config{
		"no publisher":      {},
		"negative interval": {Publisher: p, Interval: -1},
		"negative jitter":   {Publisher: p, Jitter: -1},
		"jitter too long":   {Publisher: p, Interval: time.Second, Jitter: 2 * time.Second},
		"negative count":    {Publisher: p, Count: -1},
	} {
		if _, err := clock.New(cfg); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
