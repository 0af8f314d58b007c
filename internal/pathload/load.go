package pathload

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// Plan says how devices publish. The zero value: 3 devices of the sensor
// route and 2 of the keyless one, each with 2 messages every 10 ms (1000 msg/s in
// all), none of them bad.
type Plan struct {
	Name     string        // prefix of the device names, for several loads of a test
	Sensors  int           // devices of the sensor route; default 3
	Numbers  int           // devices of the keyless route; default 2
	Interval time.Duration // default 10 ms
	Burst    int           // messages per interval; default 2
	Padding  int           // bytes added to each payload
	// Every 100th message (or SpoilEvery-th) is followed by one from Spoil, which
	// counts from 0 over all devices; nil: none.
	Spoil      func(i int) *Publication
	SpoilEvery int
}

// Load is a number of devices that publish until stop.
type Load struct {
	t       testing.TB
	plan    Plan
	Devices []*Device
	ended   chan struct{}
	stopped sync.Once
	wg      sync.WaitGroup

	mu      sync.Mutex // guards what follows
	sent    []*Publication
	spoiled int
}

// Start starts devices that publish.
func Start(t testing.TB, link Link, plan Plan) *Load {
	t.Helper()
	plan.Sensors, plan.Numbers = cmp.Or(plan.Sensors, 3), cmp.Or(plan.Numbers, 2)
	plan.Interval = cmp.Or(plan.Interval, 10*time.Millisecond)
	plan.Burst = cmp.Or(plan.Burst, 2)
	plan.SpoilEvery = cmp.Or(plan.SpoilEvery, 100)
	plan.Name = cmp.Or(plan.Name, "dev")
	l := &Load{t: t, plan: plan, ended: make(chan struct{})}
	t.Cleanup(l.Stop)
	for i := range plan.Sensors {
		name := fmt.Sprintf("%s-%d", plan.Name, i)
		topic := RouteSensor
		if i%2 == 1 {
			topic += "/" + name
		}
		l.start(link, name, func(k int) *Publication { return Reading(topic, name, k, plan.Padding) })
	}
	for range plan.Numbers {
		sender := int(rand.Int32()) // another one in each load of a test
		l.start(link, fmt.Sprintf("%s-n%d", plan.Name, sender), func(k int) *Publication {
			return Counted(sender, k, plan.Padding)
		})
	}
	return l
}

// start starts one device; next gives its messages, k from 0.
func (l *Load) start(link Link, name string, next func(k int) *Publication) {
	d := StartDevice(l.t, link, name)
	l.Devices = append(l.Devices, d)
	l.wg.Go(func() {
		tick := time.NewTicker(l.plan.Interval)
		defer tick.Stop()
		for k := 0; ; k++ {
			if k%l.plan.Burst == 0 {
				select {
				case <-tick.C:
				case <-l.ended:
					return
				}
			}
			if !l.send(d, next(k)) {
				return
			}
			if l.plan.Spoil != nil && k%l.plan.SpoilEvery == l.plan.SpoilEvery-1 && !l.send(d, l.plan.Spoil(l.nextSpoiled())) {
				return
			}
		}
	})
}

func (l *Load) nextSpoiled() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spoiled++
	return l.spoiled - 1
}

func (l *Load) send(d *Device, p *Publication) bool {
	if !d.Send(p, l.ended) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, p)
	return true
}

// Stop ends the publishing; what is not acknowledged stays with the devices.
func (l *Load) Stop() {
	l.stopped.Do(func() { close(l.ended) })
	l.wg.Wait()
}

// Finish ends the publishing, waits until everything is acknowledged, and
// returns all that was sent.
func (l *Load) Finish() []*Publication {
	l.t.Helper()
	l.Stop()
	for _, d := range l.Devices {
		d.AwaitAcks()
	}
	return l.sent
}

// Counts returns how many messages of all devices were acknowledged and are not.
func (l *Load) Counts() (acked, unacked int) {
	for _, d := range l.Devices {
		a, u := d.Counts()
		acked, unacked = acked+a, unacked+u
	}
	return acked, unacked
}

// AwaitAcked waits until n more messages are acknowledged than are now.
func (l *Load) AwaitAcked(n int) {
	l.t.Helper()
	before, _ := l.Counts()
	Eventually(l.t, patience, func() error {
		if acked, unacked := l.Counts(); acked < before+n {
			return fmt.Errorf("%d messages acknowledged since, want %d; %d are not", acked-before, n, unacked)
		}
		return nil
	})
}

// Sessions counts the accepted CONNECTs of all devices.
func (l *Load) Sessions() (all Sessions) {
	for _, d := range l.Devices {
		d.mu.Lock()
		all.Connected, all.Absent = all.Connected+d.count.Connected, all.Absent+d.count.Absent
		d.mu.Unlock()
	}
	return all
}

// Spoiled returns how many messages came from Spoil. The load must be stopped.
func (l *Load) Spoiled() int { return l.spoiled }
