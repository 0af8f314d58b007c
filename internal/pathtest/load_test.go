package pathtest

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// loadPlan says how devices publish. The zero value: 3 devices of the sensor
// route and 2 of the keyless one, each with 2 messages every 10 ms (1000 msg/s in
// all), none of them bad.
type loadPlan struct {
	name     string        // prefix of the device names, for several loads of a test
	interval time.Duration // default 10 ms
	burst    int           // messages per interval; default 2
	padding  int           // bytes added to each payload
	// Every 100th message (or spoilEvery-th) is followed by one from spoil, which
	// counts from 0 over all devices; nil: none.
	spoil      func(i int) *publication
	spoilEvery int
}

const (
	sensorDevices = 3
	numberDevices = 2
)

// load is a number of devices that publish until stop.
type load struct {
	t       testing.TB
	plan    loadPlan
	devices []*device
	ended   chan struct{}
	stopped sync.Once
	wg      sync.WaitGroup

	mu      sync.Mutex // guards what follows
	sent    []*publication
	spoiled int
}

// senders numbers the keyless senders of all loads of the process.
var senders atomic.Int32

// startLoad starts devices that publish to the broker at addr.
func startLoad(t testing.TB, addr string, plan loadPlan) *load {
	t.Helper()
	plan.interval = cmp.Or(plan.interval, 10*time.Millisecond)
	plan.burst = cmp.Or(plan.burst, 2)
	plan.spoilEvery = cmp.Or(plan.spoilEvery, 100)
	plan.name = cmp.Or(plan.name, "dev")
	l := &load{t: t, plan: plan, ended: make(chan struct{})}
	t.Cleanup(l.stop)
	for i := range sensorDevices {
		name := fmt.Sprintf("%s-%d", plan.name, i)
		topic := routeSensor
		if i%2 == 1 {
			topic += "/" + name
		}
		l.start(addr, name, func(k int) *publication { return reading(topic, name, k, plan.padding) })
	}
	for range numberDevices {
		sender := int(senders.Add(1))
		l.start(addr, fmt.Sprintf("%s-n%d", plan.name, sender), func(k int) *publication {
			return counted(sender, k, plan.padding)
		})
	}
	return l
}

// start starts one device; next gives its messages, k from 0.
func (l *load) start(addr, name string, next func(k int) *publication) {
	d := startDevice(l.t, addr, name)
	l.devices = append(l.devices, d)
	l.wg.Go(func() {
		tick := time.NewTicker(l.plan.interval)
		defer tick.Stop()
		for k := 0; ; k++ {
			if k%l.plan.burst == 0 {
				select {
				case <-tick.C:
				case <-l.ended:
					return
				}
			}
			if !l.send(d, next(k)) {
				return
			}
			if l.plan.spoil != nil && k%l.plan.spoilEvery == l.plan.spoilEvery-1 && !l.send(d, l.plan.spoil(l.nextSpoiled())) {
				return
			}
		}
	})
}

func (l *load) nextSpoiled() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spoiled++
	return l.spoiled - 1
}

func (l *load) send(d *device, p *publication) bool {
	if !d.send(p, l.ended) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, p)
	return true
}

// stop ends the publishing; what is not acknowledged stays with the devices.
func (l *load) stop() {
	l.stopped.Do(func() { close(l.ended) })
	l.wg.Wait()
}

// finish ends the publishing, waits until everything is acknowledged, and
// returns all that was sent.
func (l *load) finish() []*publication {
	l.t.Helper()
	l.stop()
	for _, d := range l.devices {
		d.awaitAcks()
	}
	return l.sent
}

// counts returns how many messages of all devices were acknowledged and are not.
func (l *load) counts() (acked, unacked int) {
	for _, d := range l.devices {
		a, u := d.counts()
		acked, unacked = acked+a, unacked+u
	}
	return acked, unacked
}

// awaitAcked waits until n more messages are acknowledged than are now.
func (l *load) awaitAcked(n int) {
	l.t.Helper()
	before, _ := l.counts()
	eventually(l.t, patience, func() error {
		if acked, unacked := l.counts(); acked < before+n {
			return fmt.Errorf("%d messages acknowledged since, want %d; %d are not", acked-before, n, unacked)
		}
		return nil
	})
}
