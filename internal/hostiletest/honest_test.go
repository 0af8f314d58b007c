package hostiletest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
	"sluice/internal/pathload"
)

// pulseText begins the payload of every pulse of the clock.
const pulseText = "of the clock "

// interval is the time between two readings of the honest device.
const interval = 20 * time.Millisecond

// firstEpoch is that of each device's reading 0; reading k is k seconds later, and its
// temperature follows from k.
const firstEpoch = 1_700_000_000

func temperature(k int) float32 { return float32(k % 50) }

func reading(device string, k int) []byte {
	b, _ := proto.Marshal(&msg.SensorData{Device: device, Temp: temperature(k), Rh: 40, Epoch: firstEpoch + int64(k)})
	return b
}

func connectMessage(device string) []byte {
	b, _ := proto.Marshal(&msg.Connect{Device: device})
	return b
}

func willMessage(device string) []byte {
	b, _ := proto.Marshal(&msg.LWT{Device: device, Delay: 1})
	return b
}

// life is what the honest do all the time: a clock pulses, a device sends readings,
// another one is only there, and an auditor listens to everything.
type life struct {
	*site

	good, quiet, clock, auditor *client
	stop                        context.CancelFunc
	publishers, readers         sync.WaitGroup

	mu      sync.Mutex // guards what follows
	sent    []time.Time
	acked   []ack
	pulses  int
	forged  []string // what was heard and nobody honest has said
	connect map[string]int
}

// ack is a PUBACK: when it came, and how long after the PUBLISH.
type ack struct {
	at   time.Time
	took time.Duration
}

// live begins it, and returns when all are known and readings are stored.
func (s *site) live() *life {
	s.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &life{site: s, stop: stop, connect: map[string]int{}}
	l.auditor = s.login(s.as(auditor, v5), l.audit)
	_, err := l.auditor.subscribe("#")
	must(s, err)
	l.clock = s.login(s.as(clock, v5), nil)
	l.good, l.quiet = l.device(good), l.device(quiet)
	s.Cleanup(l.end)
	l.readers.Go(l.acknowledge)
	l.publishers.Go(func() { l.tick(ctx, interval, l.publish) })
	l.publishers.Go(func() { l.tick(ctx, 5*interval, l.pulse) })
	l.publishers.Go(func() { l.tick(ctx, keepAlive*time.Second/3, l.keepAlive) })
	s.goesOn(10)
	return l
}

// device connects one with a last will and announces it.
func (l *life) device(name string) *client {
	l.Helper()
	h := l.as(name, v311)
	h.will = &will{topic: "lwt/" + name, payload: willMessage(name), qos: 1}
	c := l.login(h, l.hear)
	_, err := c.subscribe("pulse")
	must(l, err)
	_, err = c.publish("connect/"+name, connectMessage(name))
	must(l, err)
	return c
}

// tick calls do once an interval until ctx ends.
func (l *life) tick(ctx context.Context, every time.Duration, do func(k int) error) {
	t := time.NewTicker(every)
	defer t.Stop()
	for k := 0; ; k++ {
		if err := do(k); err != nil {
			l.Errorf("somebody honest cannot publish: %v", err)
			return
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// publish sends reading k.
func (l *life) publish(k int) error {
	l.mu.Lock()
	l.sent = append(l.sent, time.Now())
	l.mu.Unlock()
	p := publication{topic: "data/sensor/" + good, payload: reading(good, k), qos: 1, id: packetID(k)}
	return l.good.send(p.packet(l.good.version))
}

func packetID(k int) uint16 { return uint16(k%0xffff) + 1 }

func (l *life) pulse(k int) error {
	p := publication{topic: "pulse", payload: fmt.Appendf(nil, "%s%d", pulseText, k), qos: 0}
	return l.clock.send(p.packet(l.clock.version))
}

func (l *life) keepAlive(int) error {
	for _, c := range []*client{l.quiet, l.auditor} {
		if err := c.send([]byte{0xC0, 0}); err != nil {
			return err
		}
	}
	return nil
}

// acknowledge notes the PUBACKs of readings, which come in order [MQTT-4.6.0-2].
func (l *life) acknowledge() {
	for k := 0; ; {
		select {
		case p := <-l.good.answers:
			if p[0] != 0x40 {
				continue
			}
			if id := binary.BigEndian.Uint16(p[1:]); id != packetID(k) {
				l.Errorf("%s got PUBACK %d, want %d", good, id, packetID(k))
				return
			}
			l.note(k)
			k++
		case <-l.good.ended:
			return
		}
	}
}

func (l *life) note(k int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.acked = append(l.acked, ack{now, now.Sub(l.sent[k])})
}

// hear takes what a device is subscribed to: the pulse of the clock.
func (l *life) hear(d delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.topic != "pulse" || !strings.HasPrefix(d.payload, pulseText) {
		l.forged = append(l.forged, fmt.Sprintf("%s: %q", d.topic, d.payload))
		return
	}
	l.pulses++
}

// audit takes everything that the broker lets through. Topics that end in a device's name
// are that device's; a forged message says so, or has another reading.
func (l *life) audit(d delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	honest := false
	switch {
	case strings.HasSuffix(d.topic, "/"+evil), strings.HasSuffix(d.topic, "/"+late):
		honest = strings.Count(d.topic, "/") < 3
	case d.topic == "pulse":
		honest = strings.HasPrefix(d.payload, pulseText)
	case d.topic == "sluice/sync/"+facility:
		honest = d.payload != forged
	case d.topic == "data/sensor/"+good:
		var r msg.SensorData
		err := proto.Unmarshal([]byte(d.payload), &r)
		honest = err == nil && r.Device == good && r.Temp == temperature(int(r.Epoch-firstEpoch))
	case d.topic == "connect/"+good, d.topic == "connect/"+quiet:
		l.connect[d.topic]++
		honest = l.connect[d.topic] == 1
	}
	if !honest || d.retain {
		l.forged = append(l.forged, fmt.Sprintf("the broker passes on %s: %q, retain %t", d.topic, d.payload, d.retain))
	}
}

// since tells the latencies from publish to PUBACK since then.
func (l *life) since(began time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for _, a := range slices.Backward(l.acked) {
		if a.at.Before(began) {
			break
		}
		all = append(all, a.took)
	}
	if len(all) == 0 {
		return "no PUBACK"
	}
	slices.Sort(all)
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("%d PUBACKs, p50 %v, p99 %v, most %v", len(all), round(all[len(all)/2]), round(all[len(all)*99/100]), round(all[len(all)-1]))
}

// undisturbed wants the connections of the honest to be as they were, and nothing forged
// to have been heard.
func (l *life) undisturbed(what string) {
	l.Helper()
	for name, c := range map[string]*client{good: l.good, quiet: l.quiet, clock: l.clock, auditor: l.auditor} {
		select {
		case <-c.ended:
			l.Fatalf("%s: %s was cut off", what, name)
		default:
		}
	}
	if l.router.Gone() {
		l.Fatalf("%s: the router has ended", what)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, heard := range l.forged {
		l.Errorf("%s: %s", what, heard)
	}
	l.forged = nil
}

// finish ends the readings and waits for the last PUBACK.
func (l *life) finish() (acked int) {
	l.Helper()
	l.stop()
	l.publishers.Wait()
	pathload.Eventually(l, patience, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if acked = len(l.acked); acked < len(l.sent) {
			return fmt.Errorf("%d of %d readings acknowledged", acked, len(l.sent))
		}
		return nil
	})
	return acked
}

func (l *life) end() {
	l.stop()
	l.publishers.Wait()
	for _, c := range []*client{l.good, l.quiet, l.clock, l.auditor} {
		c.reset()
	}
	l.readers.Wait()
}
