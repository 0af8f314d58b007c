package doortest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice/internal/pathload"
)

// steady is a load of well-behaved devices that publish at a fixed rate, whether they
// are answered or not, and note when each message was acknowledged.
type steady struct {
	t                   testing.TB
	devices             []*steadyDevice
	stop                context.CancelFunc
	publishers, readers sync.WaitGroup
}

// steadyDevice has at most one connection: one that is lost is a fault.
type steadyDevice struct {
	name string
	conn *raw

	mu    sync.Mutex // guards what follows
	sent  []time.Time
	acked []ack
}

// ack is a PUBACK: when it came, and how long after the PUBLISH.
type ack struct {
	at   time.Time
	took time.Duration
}

// startSteady connects n devices; each publishes once an interval.
func startSteady(t testing.TB, address string, n int, interval time.Duration) *steady {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &steady{t: t, stop: stop}
	for i := range n {
		d := &steadyDevice{name: fmt.Sprintf("steady-%d", i)}
		var err error
		if d.conn, err = dialFrom(1, address); err == nil {
			err = d.conn.ask(rawConnect(d.name, nil), rawConnack...)
		}
		if err == nil {
			err = d.conn.SetReadDeadline(time.Time{})
		}
		if err != nil {
			t.Fatal(err)
		}
		s.devices = append(s.devices, d)
		s.publishers.Go(func() { s.publish(ctx, d, interval*time.Duration(i)/time.Duration(n), interval) })
		s.readers.Go(func() { s.read(d) })
	}
	t.Cleanup(s.end)
	return s
}

// publish begins after a while, so that the devices take turns.
func (s *steady) publish(ctx context.Context, d *steadyDevice, after, interval time.Duration) {
	for next := time.Now().Add(after); ; next = next.Add(interval) {
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return
		}
		k := d.note()
		m := pathload.Reading(pathload.RouteSensor+"/"+d.name, d.name, k, 0)
		if err := d.conn.send(rawPublish(m.Topic, uint16(k%0xffff)+1, m.Payload)); err != nil {
			s.t.Errorf("%s cannot publish: %v", d.name, err)
			return
		}
	}
}

// note counts a message that is about to be sent.
func (d *steadyDevice) note() (k int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, time.Now())
	return len(d.sent) - 1
}

// read takes PUBACKs, which come in order [MQTT-4.6.0-2].
func (s *steady) read(d *steadyDevice) {
	for k := 0; ; k++ {
		var p [4]byte
		_, err := io.ReadFull(d.conn, p[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if id := binary.BigEndian.Uint16(p[2:]); err != nil || p[0] != 0x40 || id != uint16(k%0xffff)+1 {
			s.t.Errorf("%s got % x instead of PUBACK %d: %v", d.name, p, k%0xffff+1, err)
			return
		}
		d.acknowledge(k)
	}
}

func (d *steadyDevice) acknowledge(k int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.acked = append(d.acked, ack{now, now.Sub(d.sent[k])})
}

// counts returns how many messages were sent and acknowledged.
func (s *steady) counts() (sent, acked int) {
	for _, d := range s.devices {
		d.mu.Lock()
		sent, acked = sent+len(d.sent), acked+len(d.acked)
		d.mu.Unlock()
	}
	return sent, acked
}

// finish ends the publishing and waits for the last PUBACK.
func (s *steady) finish() (acked int) {
	s.t.Helper()
	s.stop()
	s.publishers.Wait()
	pathload.Eventually(s.t, patience, func() error {
		var sent int
		if sent, acked = s.counts(); acked < sent {
			return fmt.Errorf("%d of %d messages acknowledged", acked, sent)
		}
		return nil
	})
	return acked
}

func (s *steady) end() {
	s.stop()
	for _, d := range s.devices {
		d.conn.Close()
	}
	s.publishers.Wait()
	s.readers.Wait()
}

// window is what the well-behaved saw for a while.
type window struct {
	p50, p99 time.Duration
	rate     float64       // PUBACKs a second
	cpu      time.Duration // of the replica per PUBACK
}

// watch measures one window.
func (s *steady) watch(pid int, d time.Duration) window {
	s.t.Helper()
	began, used := time.Now(), cpuOf(s.t, pid)
	pass(s.t, d)
	used, took := cpuOf(s.t, pid)-used, time.Since(began)
	all := s.since(began)
	if len(all) == 0 {
		return window{p50: took, p99: took}
	}
	slices.Sort(all)
	return window{
		p50: all[len(all)/2], p99: all[len(all)*99/100],
		rate: float64(len(all)) / took.Seconds(), cpu: used / time.Duration(len(all)),
	}
}

// since returns the latencies of the PUBACKs since then.
func (s *steady) since(began time.Time) (all []time.Duration) {
	for _, d := range s.devices {
		d.mu.Lock()
		for _, a := range slices.Backward(d.acked) {
			if a.at.Before(began) {
				break
			}
			all = append(all, a.took)
		}
		d.mu.Unlock()
	}
	return all
}

// median of each figure by itself: a window in which the machine did something else
// counts for nothing.
func median(ws []window) window {
	return window{
		p50: middle(ws, func(w window) time.Duration { return w.p50 }), p99: middle(ws, func(w window) time.Duration { return w.p99 }),
		rate: middle(ws, func(w window) float64 { return w.rate }), cpu: middle(ws, func(w window) time.Duration { return w.cpu }),
	}
}

func middle[T time.Duration | float64](ws []window, figure func(window) T) T {
	all := make([]T, len(ws))
	for i, w := range ws {
		all[i] = figure(w)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (w window) String() string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, %.0f PUBACKs/s, %d us of the router each", ms(w.p50), ms(w.p99), w.rate, w.cpu.Microseconds())
}
