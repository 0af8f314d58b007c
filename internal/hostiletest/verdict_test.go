package hostiletest

import (
	"fmt"

	"sluice"
	"sluice/app"
	"sluice/internal/pathload"
)

// fleet returns what the router knows of the devices, by name.
func (s *site) fleet() map[string]app.DeviceStatus {
	s.Helper()
	all := map[string]app.DeviceStatus{}
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := s.admin.Devices(s.Context(), cursor)
		must(s, err)
		for _, d := range page.Devices {
			all[d.Device] = d
		}
		cursor = page.Next
	}
	return all
}

// judge compares what is stored with what was said by whom.
func (l *life) judge(t *tally, before map[string]app.DeviceStatus) {
	l.Helper()
	l.undisturbed("at the end")
	l.presenceIs(before)
	acked := l.finish()
	l.settled()
	l.rowsAre(acked, t)
	l.deadAre(t.dead)
	l.noReports()
	deniedNothing(l, l.redis)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pulses == 0 {
		l.Error("the honest devices heard no pulse")
	}
	l.Logf("%d readings acknowledged, as many rows; %d rows and %d dead letters of the attacker; %d pulses heard", acked, t.readings, t.dead, l.pulses)
}

// settled waits until nothing is queued and every account balances.
func (s *site) settled() {
	s.Helper()
	pathload.Eventually(s, patience, func() error {
		status, err := s.status()
		if err != nil {
			return err
		}
		for _, q := range status.Queues {
			if q.Queued() != 0 || q.Balance() != 0 {
				return fmt.Errorf("%s: %d queued, off by %d", q.Queue, q.Queued(), q.Balance())
			}
			for cause, n := range q.Account.Dropped {
				if n != 0 && q.Queue != sluice.AccountPresence {
					return fmt.Errorf("%s: %d dropped: %s", q.Queue, n, cause)
				}
			}
		}
		if faults := status.Faults(); len(faults) > 0 {
			return fmt.Errorf("the router says %v", faults)
		}
		return nil
	})
}

// rowsAre wants exactly the readings of those who sent them, each once.
func (l *life) rowsAre(acked int, t *tally) {
	l.Helper()
	for device, want := range map[string]int{good: acked, evil: t.readings} {
		if got := l.rowsOf(device); got != int64(want) {
			l.Errorf("%s has %d rows, want %d", device, got, want)
		}
		if n := l.number("SELECT count(*) FROM data.sensor WHERE device = $1 AND (epoch < $2 OR epoch >= $2 + $3 OR temp <> (epoch - $2) % 50 OR rh <> 40)",
			device, firstEpoch, want); n != 0 {
			l.Errorf("%d rows of %s are not what it sent", n, device)
		}
	}
	if n := l.number("SELECT count(*) FROM data.sensor WHERE device NOT IN ($1, $2)", good, evil); n != 0 {
		l.Errorf("%d rows of devices that sent none", n)
	}
}

// deadAre wants so many dead letters, and none in the name of others.
func (s *site) deadAre(want int) {
	s.Helper()
	if n := s.number("SELECT count(*) FROM sluice.dead_letter WHERE device <> $1", evil); n != 0 {
		s.Errorf("%d dead letters are charged to others", n)
	}
	pathload.Eventually(s, patience, func() error {
		if n := s.number("SELECT count(*) FROM sluice.dead_letter"); n != int64(want) {
			return fmt.Errorf("%d dead letters, want %d", n, want)
		}
		return nil
	})
}

// presenceIs wants the victims to be up all the time since before.
func (l *life) presenceIs(before map[string]app.DeviceStatus) {
	l.Helper()
	now := l.fleet()
	for _, victim := range []string{good, quiet} {
		was, is := before[victim], now[victim]
		if is.State != "up" || is.Generation != was.Generation || !is.Connected.Equal(was.Connected) || !is.Down.IsZero() {
			l.Errorf("%s was %+v, is %+v", victim, was, is)
		}
	}
	for name := range now {
		if name != good && name != quiet && name != late && name != evil {
			l.Errorf("the router knows a device %q", name)
		}
	}
}

// noReports wants no outage of anybody but the attacker, told or stored.
func (l *life) noReports() {
	l.Helper()
	if n := l.number("SELECT count(*) FROM data.outage WHERE device <> $1", evil); n != 0 {
		l.Errorf("%d outages of others", n)
	}
	for _, victim := range []string{good, quiet, late, router} {
		for _, post := range l.stub.With(victim) {
			l.Errorf("a report names %s: %s", victim, post.Text)
		}
	}
}
