package presence

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"sluice"
)

const (
	// markEvery is the least time between two markers.
	markEvery = 100 * time.Millisecond
	// dueLimit is how many devices one call takes down at most: a few milliseconds
	// of the store's time.
	dueLimit = 1000
	// uptimeWithin is how long at least the first uptime is waited for: Mosquitto
	// tells it every 10 s by default.
	uptimeWithin = 30 * time.Second
	// idle is how long the loop sleeps when no device has a deadline.
	idle = time.Hour
	// idleDirect is the same of a front door: what other replicas append is not told
	// here, and its deadlines wait for a marker of ours.
	idleDirect = time.Second
)

// attending is the loop beside one session. One goroutine owns it.
type attending struct {
	*Keeper
	session sluice.Attended
	// holding: nothing is judged yet, because the broker may have been restarted;
	// decided: whether it was is known.
	holding, decided bool
	lastAt           int64 // presence time of the last marker
	// idle is the longest sleep.
	idle time.Duration
	// started is when the broker was started, as the uptimes say that were read soonest.
	started int64
	retry   *backoff.ExponentialBackOff
}

// Attend implements sluice.Attendant.
func (k *Keeper) Attend(ctx context.Context, s sluice.Attended) {
	a := &attending{Keeper: k, session: s, holding: true, idle: idle, retry: backoff.NewExponentialBackOff()}
	a.retry.InitialInterval, a.retry.MaxInterval = k.config.RetryMin, k.config.RetryMax
	defer k.marked.Store(0) // whoever stands by waits for no marker
	if k.config.Direct {
		a.idle = idleDirect
		if !a.forgotten(ctx) {
			return
		}
		a.holding, a.decided = false, true
	}
	a.run(ctx)
}

func (a *attending) run(ctx context.Context) {
	hold := time.NewTimer(max(a.config.ReconnectGrace, uptimeWithin))
	defer hold.Stop()
	look := time.NewTimer(a.idle)
	defer look.Stop()
	if !a.holding {
		look.Reset(0)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-a.uptimes:
			a.heard(ctx, u)
		case <-hold.C:
			a.unheard(ctx)
		case <-a.wake:
		case <-look.C:
		}
		if !a.holding {
			look.Reset(a.judge(ctx))
		}
	}
}

// unheard ends the hold without an uptime: devices that would have had to come
// back had the time for it.
func (a *attending) unheard(ctx context.Context) {
	if a.holding && a.forgotten(ctx) {
		a.log.Warn("the broker does not tell its uptime: after every reconnect outages are told late", "topic", sluice.TopicUptime,
			"held", max(a.config.ReconnectGrace, uptimeWithin))
		a.holding = false
	}
}

// heard learns from an uptime. The first that decides ends the hold, if it has not
// ended without; each that is not stale is kept, as a time at which this broker was
// running.
func (a *attending) heard(ctx context.Context, u uptime) {
	if !a.decided {
		switch v, started := u.judge(a.known.BrokerSeen); v {
		case undecided:
			return
		case restarted:
			if !a.restarted(ctx, started) {
				return
			}
		case same:
			if !a.forgotten(ctx) {
				return
			}
		}
		a.holding, a.decided = false, true
	}
	if u.stale {
		return
	}
	if started := u.at - u.up.Microseconds(); a.started == 0 || started < a.started {
		a.started = started
	}
	// Not u.at: while reading waits, a restart may lie between sending and receipt.
	if err := a.keep(ctx, a.started+u.up.Microseconds()); err != nil { // the next one comes soon
		a.log.Debug("uptime of the broker not kept", "err", err)
	}
}

// keep stores a presence time at which the broker was running.
func (a *attending) keep(ctx context.Context, seen int64) error {
	return a.call(ctx, func(ctx context.Context) (err error) {
		a.known, err = a.store.Attend(ctx, a.session.Lease, seen)
		return err
	})
}

// restarted gives the devices time to come back, and tells whether all of them
// have it; otherwise the session is over. That the broker runs since is kept, so
// that the next session does not find the same restart once more.
func (a *attending) restarted(ctx context.Context, started int64) bool {
	a.log.Warn("the broker was restarted, devices have time to come back", "grace", a.config.ReconnectGrace)
	return a.grace(ctx, sluice.GraceRequest{Started: started, Events: a.config.Events}) &&
		a.insist(ctx, "attend", func(ctx context.Context) error { return a.keep(ctx, a.began) })
}

// forgotten gives the devices time if the broker had lost the session, and tells as
// restarted does.
func (a *attending) forgotten(ctx context.Context) bool {
	return a.session.Resumed || a.grace(ctx, sluice.GraceRequest{Lost: true})
}

func (a *attending) grace(ctx context.Context, r sluice.GraceRequest) bool {
	r.Now, r.Since = a.Now(), a.began
	r.Until = r.Now + a.config.ReconnectGrace.Microseconds()
	for cursor, first := "", true; first || cursor != ""; first = false {
		ok := a.insist(ctx, "grace", func(ctx context.Context) error {
			next, receipt, err := a.store.Grace(ctx, a.session.Lease, r, cursor)
			if err == nil {
				cursor = next
				a.session.Pushed(receipt)
			}
			return err
		})
		if !ok {
			return false
		}
	}
	return true
}

// insist repeats a call of the store until it succeeds; false: the session is over.
func (a *attending) insist(ctx context.Context, what string, do func(context.Context) error) bool {
	for {
		err := a.call(ctx, do)
		switch {
		case over(ctx, err):
			return false
		case err == nil:
			a.retry.Reset()
			return true
		}
		a.log.Debug("call of the store failed, will be repeated", "call", what, "err", err)
		pause(ctx, a.retry.NextBackOff())
	}
}

// judge takes down what is due and returns when to look again.
func (a *attending) judge(ctx context.Context) time.Duration {
	for {
		var r sluice.DueResult
		a.told.Store(0)
		err := a.call(ctx, func(ctx context.Context) (err error) {
			r, err = a.store.Due(ctx, a.session.Lease, sluice.DueRequest{Now: a.Now(), Limit: dueLimit, Events: a.config.Events})
			return err
		})
		switch {
		case over(ctx, err):
			return a.idle
		case err != nil:
			a.log.Debug("due failed", "err", err)
			return a.retry.NextBackOff()
		}
		a.retry.Reset()
		if r.Fell > 0 {
			a.log.Info("devices went down", "count", r.Fell)
		}
		if r.Fell+r.Steadied+r.Excused > 0 {
			a.session.Pushed(r.Receipt)
		}
		if r.Excused > 0 {
			continue
		}
		next := r.Receipt.Next
		a.armed.Store(next)
		if told := a.told.Load(); told > 0 && (next == 0 || told < next) {
			continue // an append went in between
		}
		if r.Fell < dueLimit && r.Steadied < dueLimit {
			return a.sleep(max(next, r.Wait))
		}
	}
}

// sleep returns how long nothing is to be done, given the earliest deadline. One
// that has passed waits for a marker: one is on its way, and another when that
// seems lost.
func (a *attending) sleep(next int64) time.Duration {
	now := a.Now()
	least := markEvery
	if a.marked.Load() > 0 {
		least = lateMarker
	}
	switch {
	case next == 0:
		return a.idle
	case next > now:
		return min(time.Duration(next-now)*time.Microsecond, a.idle)
	}
	if wait := least - time.Duration(now-a.lastAt)*time.Microsecond; wait > 0 {
		return wait
	}
	a.lastAt = now
	a.marked.CompareAndSwap(0, now)             // the oldest counts
	if err := a.session.Mark(now); err != nil { // the session is about to end
		a.log.Debug("marker not sent", "err", err)
	}
	return lateMarker
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
