package pathtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice"
	"sluice/internal/pathload"
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
	l := s.load(pathload.Plan{Spoil: spoiled})
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
			s.AwaitReceived(pathload.RouteSensor, 30)
			link.Reset()
			link.Resume()
		}
		r.AwaitLog(msgLeading, led+1)
		s.AwaitReceived(pathload.RouteSensor, 30)
	}
	sent := l.Finish()
	s.Verify(sent)
	for _, queue := range []string{pathload.RouteSensor, pathload.RouteNumber} {
		n := s.MustStatus(queue).Account.Dropped[sluice.DropRedelivery]
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
	d := pathload.StartDevice(t, pathload.Link{Address: link.Addr()}, "forgetful")
	const readings = pathload.Window
	send := func(d *pathload.Device, k int) *pathload.Publication {
		topic := pathload.RouteSensor
		if k%2 == 1 {
			topic += "/forgetful"
		}
		p := pathload.Reading(topic, "forgetful", k, 0)
		if !d.Send(p, nil) {
			t.Fatal("the device does not send")
		}
		return p
	}

	d.AwaitConnected()
	link.Lose(testenv.ToClient)
	var sent []*pathload.Publication
	for k := range readings {
		sent = append(sent, send(d, k))
	}
	s.AwaitStatus(pathload.RouteSensor, "all stored", func(st sluice.QueueStatus) bool { return st.Account.Stored == readings })
	if acked, _ := d.Counts(); acked > 0 {
		t.Fatalf("%d PUBACKs have arrived, want none", acked)
	}
	link.Reset()
	link.Resume()
	d.AwaitAcks()
	again := pathload.StartDevice(t, pathload.Link{Address: s.broker.Addr()}, "forgetful-again")
	for k := range readings {
		sent = append(sent, send(again, k))
	}
	again.AwaitAcks()
	s.AwaitStatus(pathload.RouteSensor, "all received", func(st sluice.QueueStatus) bool { return st.Account.Received >= 3*readings })

	s.Verify(sent)
	a := s.MustStatus(pathload.RouteSensor).Account
	if a.Stored != readings || a.Duplicate != 2*readings || a.Dead != 0 {
		t.Errorf("%d readings, each sent three times: %+v", readings, a)
	}
	r.Terminate()
}

// Two readings with one device and second but other values cannot both be rows.
// The first is, the other is a dead letter; whether both are in one batch, or
// the first is a row already.
func TestPath_TwoReadingsInOneSecond_OneRowOneConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteServers{})
	r := s.startLeading()
	l := s.load(pathload.Plan{})
	d := pathload.StartDevice(t, pathload.Link{Address: s.broker.Addr()}, "hasty")
	var sent []*pathload.Publication
	send := func(p *pathload.Publication) {
		t.Helper()
		if !d.Send(p, nil) {
			t.Fatal("the device does not send")
		}
		sent = append(sent, p)
	}
	other := func(k int) *pathload.Publication {
		row := pathload.Reading("", "hasty", k, 0).Row
		row.Temp++
		return pathload.Doomed(pathload.RouteSensor, pathload.Encode(row), pathload.RouteSensor, sluice.ReasonConflict)
	}
	const pairs = 10
	for k := range pairs { // together
		send(pathload.Reading(pathload.RouteSensor, "hasty", k, 0))
		send(other(k))
	}
	for k := pairs; k < 2*pairs; k++ {
		send(pathload.Reading(pathload.RouteSensor, "hasty", k, 0))
	}
	d.AwaitAcks()
	s.awaitReadings("hasty", 2*pairs)
	for k := pairs; k < 2*pairs; k++ { // afterwards
		send(other(k))
	}
	d.AwaitAcks()
	s.Verify(append(l.Finish(), sent...))
	r.Terminate()
}

// awaitReadings waits until a device has n rows.
func (s *site) awaitReadings(device string, n int) {
	s.t.Helper()
	pathload.Eventually(s.t, patience, func() error {
		got := 0
		err := s.Pool.QueryRow(s.t.Context(), "SELECT count(*) FROM data.sensor WHERE device = $1", device).Scan(&got)
		if err == nil && got != n {
			err = fmt.Errorf("%s has %d rows, want %d", device, got, n)
		}
		return err
	})
}
