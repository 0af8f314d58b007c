package pathtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice"
	"sluice/internal/testenv"
)

// The connection between broker and router breaks at random, sometimes after
// PUBACKs that never arrive: the broker sends those messages again, with DUP,
// and the router knows them.
func TestPath_BrokerLinkCut_RecognisesRedelivery(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	link := testenv.Proxy(t, s.broker.Addr())
	s.settings.Broker = "mqtt://" + link.Addr()
	r := s.startLeading()
	l := s.load(loadPlan{spoil: spoiled})
	const cuts = 12
	for i := range cuts {
		led := r.Logged(msgLeading)
		pass(t, rand.N(150*time.Millisecond))
		switch i % 3 {
		case 0:
			link.Reset()
		case 1:
			link.Cut()
			pass(t, rand.N(200*time.Millisecond))
			link.Mend()
		case 2: // appended, and its PUBACK lost
			link.Lose(testenv.ToServer)
			s.awaitReceived(routeSensor, 30)
			link.Reset()
			link.Resume()
		}
		r.AwaitLog(msgLeading, led+1)
		s.awaitReceived(routeSensor, 30)
	}
	sent := l.finish()
	s.verify(sent)
	for _, queue := range []string{routeSensor, routeNumber} {
		n := s.mustStatus(queue).Account.Dropped[sluice.DropRedelivery]
		if n == 0 {
			t.Errorf("%s: no redelivery was recognised", queue)
		}
		t.Logf("%s: %d redeliveries recognised in %d cuts", queue, n, cuts)
	}
	r.Terminate()
}

// A device whose PUBACK was lost sends its readings again: with DUP, because the
// broker still knows it; and, having lost its own memory of that, as new
// messages. The unique key makes one row of the copies.
func TestPath_DeviceResendsAfterLostPuback_OneRow(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	r := s.startLeading()
	link := testenv.Proxy(t, s.broker.Addr())
	d := startDevice(t, link.Addr(), "forgetful")
	const readings = deviceWindow
	send := func(d *device, k int) *publication {
		topic := routeSensor
		if k%2 == 1 {
			topic += "/forgetful"
		}
		p := reading(topic, "forgetful", k, 0)
		if !d.send(p, nil) {
			t.Fatal("the device does not send")
		}
		return p
	}

	d.awaitConnected()
	link.Lose(testenv.ToClient)
	var sent []*publication
	for k := range readings {
		sent = append(sent, send(d, k))
	}
	s.awaitStatus(routeSensor, "all stored", func(st sluice.QueueStatus) bool { return st.Account.Stored == readings })
	if acked, _ := d.counts(); acked > 0 {
		t.Fatalf("%d PUBACKs have arrived, want none", acked)
	}
	link.Reset()
	link.Resume()
	d.awaitAcks()
	again := startDevice(t, s.broker.Addr(), "forgetful-again")
	for k := range readings {
		sent = append(sent, send(again, k))
	}
	again.awaitAcks()
	s.awaitStatus(routeSensor, "all received", func(st sluice.QueueStatus) bool { return st.Account.Received >= 3*readings })

	s.verify(sent)
	a := s.mustStatus(routeSensor).Account
	if a.Stored != readings || a.Duplicate != 2*readings || a.Dead != 0 {
		t.Errorf("%d readings, each sent three times: %+v", readings, a)
	}
	r.Terminate()
}

// awaitConnected waits until the device has a connection.
func (d *device) awaitConnected() {
	d.t.Helper()
	eventually(d.t, patience, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.conn == nil {
			return fmt.Errorf("%s is not connected: %w", d.name, d.fault)
		}
		return nil
	})
}

// Two readings with one device and second but other values cannot both be rows.
// The first is, the other is a dead letter; whether both are in one batch, or
// the first is a row already.
func TestPath_TwoReadingsInOneSecond_OneRowOneConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	r := s.startLeading()
	l := s.load(loadPlan{})
	d := startDevice(t, s.broker.Addr(), "hasty")
	var sent []*publication
	send := func(p *publication) {
		t.Helper()
		if !d.send(p, nil) {
			t.Fatal("the device does not send")
		}
		sent = append(sent, p)
	}
	other := func(k int) *publication {
		row := reading("", "hasty", k, 0).row
		row.Temp++
		return doomed(routeSensor, encode(row), routeSensor, sluice.ReasonConflict)
	}
	const pairs = 10
	for k := range pairs { // together
		send(reading(routeSensor, "hasty", k, 0))
		send(other(k))
	}
	for k := pairs; k < 2*pairs; k++ {
		send(reading(routeSensor, "hasty", k, 0))
	}
	d.awaitAcks()
	s.awaitReadings("hasty", 2*pairs)
	for k := pairs; k < 2*pairs; k++ { // afterwards
		send(other(k))
	}
	d.awaitAcks()
	s.verify(append(l.finish(), sent...))
	r.Terminate()
}

// awaitReadings waits until a device has n rows.
func (s *site) awaitReadings(device string, n int) {
	s.t.Helper()
	eventually(s.t, patience, func() error {
		got := 0
		err := s.pool.QueryRow(s.t.Context(), "SELECT count(*) FROM data.sensor WHERE device = $1", device).Scan(&got)
		if err == nil && got != n {
			err = fmt.Errorf("%s has %d rows, want %d", device, got, n)
		}
		return err
	})
}
