package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sluice"
	"sluice/device"
	"sluice/presence"
	"sluice/store"
)

const (
	// reportEvery is how often the routes' status goes to the database.
	reportEvery = 2 * time.Second
	// pruneEvery is how often what has been kept long enough is removed.
	pruneEvery = time.Hour
	// replayChunk is how many dead letters one append queues again.
	replayChunk = 500
	// replayTimeout bounds one request to replay, within the time that the client
	// waits for the answer.
	replayTimeout = 50 * time.Second
)

// operator answers what operators ask of a router, and reports to the database
// on its own.
type operator struct {
	facility string
	queue    sluice.Queue
	devices  sluice.DeviceStore
	keeper   *presence.Keeper
	router   *sluice.Router
	db       *lazyDatabase
	mux      *sluice.Mux
	fleet    *device.Fleet // simulated in this process; nil for none
	way      string        // in which messages come: broker or door
	log      *slog.Logger

	replaying sync.Mutex // one replay at a time
}

// statuses describes every queue of the router.
func (o *operator) statuses(ctx context.Context) ([]sluice.QueueStatus, error) {
	names := o.router.Queues()
	all := make([]sluice.QueueStatus, len(names))
	for i, name := range names {
		s, err := o.queue.Status(ctx, name)
		if err != nil {
			return nil, err
		}
		all[i] = s
	}
	return all, nil
}

// checks are the conditions of readiness. A router that stands by is ready: it
// handles batches.
func (o *operator) checks() []check {
	return []check{
		{"queue", func(ctx context.Context) error { _, err := o.statuses(ctx); return err }},
		{"database", o.database},
		{o.way, func(context.Context) error { return o.router.Fault() }},
		{"routes", o.halted},
		{"presence", func(context.Context) error { return o.keeper.Fault() }},
	}
}

// database tells whether the database answers and has the right schema.
func (o *operator) database(ctx context.Context) error {
	if _, err := o.db.get(ctx); err != nil {
		return err
	}
	return o.db.rows.ping(ctx)
}

func (o *operator) halted(ctx context.Context) error {
	all, err := o.statuses(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, s := range all {
		if s.Halted != "" {
			faults = append(faults, fmt.Errorf("route %s is halted since %s: %s", s.Queue, s.HaltedSince.Format(time.RFC3339), s.Halted))
		}
	}
	return errors.Join(faults...)
}

func (o *operator) status(ctx context.Context) (Status, error) {
	s := Status{Facility: o.facility, Version: Version(), Leading: o.router.Leading()}
	s.Checks, _ = runChecks(ctx, o.checks())
	queues, err := o.statuses(ctx)
	if err == nil {
		s.Queues = queues
	}
	if s.Devices, err = o.devices.CountDevices(ctx); err != nil {
		o.log.Debug("devices not counted", "err", err)
	}
	return s, nil
}

func (o *operator) resume(ctx context.Context, route string) error {
	if !slices.Contains(o.router.Queues(), route) {
		return fmt.Errorf("%w as %q; `sluice route list` names them", errNoRoute, route)
	}
	return o.queue.Resume(ctx, route)
}

// report writes the routes' status to the database until ctx ends. A database
// that is away is no news here: the routes themselves tell.
func (o *operator) report(ctx context.Context) {
	before := map[string]int64{}
	last := time.Now()
	every(ctx, reportEvery, func() {
		ctx, cancel := context.WithTimeout(ctx, reportEvery)
		defer cancel()
		all, err := o.statuses(ctx)
		if err != nil {
			return
		}
		seconds := time.Since(last).Seconds()
		last = time.Now()
		rows := make([]store.RouteStatus, len(all))
		for i, s := range all {
			rows[i] = store.RouteStatus{QueueStatus: s}
			if old, ok := before[s.Queue]; ok && s.Account.Received >= old {
				rows[i].Rate = float64(s.Account.Received-old) / seconds
			}
			before[s.Queue] = s.Account.Received
		}
		if db, err := o.db.get(ctx); err == nil {
			if err := o.db.rows.writeStatus(ctx, db.Facility, rows); err != nil {
				o.log.Debug("route status not written", "err", err)
			}
		}
	})
}

// prune removes what has been kept long enough, until ctx ends.
func (o *operator) prune(ctx context.Context, keep time.Duration) {
	every(ctx, pruneEvery, func() {
		db, err := o.db.get(ctx)
		if err != nil {
			return
		}
		removed, err := o.db.rows.prune(ctx, db.Facility, keep)
		if err != nil {
			o.log.Debug("not pruned", "err", err)
		}
		if removed > 0 {
			o.log.Info("pruned applied batches and dead letters", "count", removed)
		}
	})
}

func every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// replay queues dead letters again and removes them from the database. A
// process that dies in between leaves some in both places: they may be stored
// twice on a route without a key. An operator who goes away does not interrupt
// it: it ends by its own deadline.
func (o *operator) replay(ctx context.Context, req ReplayRequest) (r ReplayResult, err error) {
	o.replaying.Lock()
	defer o.replaying.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replayTimeout)
	defer cancel()
	letters, err := o.db.rows.getDead(ctx, req.IDs...)
	if err != nil || len(letters) == 0 {
		return r, err
	}
	for _, l := range letters {
		if o.route(l.Route) == nil || l.Facility != o.facility {
			return r, fmt.Errorf("dead letter %d belongs to route %q of %q: %w here", l.ID, l.Route, l.Facility, errNoRoute)
		}
		if l.Reason == sluice.ReasonTooLarge {
			return r, fmt.Errorf("dead letter %d was too large: only its beginning was kept, so it cannot be replayed; drop it, or leave it out", l.ID)
		}
	}
	lease, err := o.queue.Lease(ctx, "replay", rand.Text(), replayTimeout)
	if errors.Is(err, sluice.ErrHeld) {
		return r, errors.New("another router replays dead letters; try again in a minute")
	}
	if err != nil {
		return r, err
	}
	defer o.unlease(ctx, lease)
	g := sluice.Group{Lease: lease}
	for chunk := range slices.Chunk(letters, replayChunk) {
		g.Number++
		g.Parts = o.parts(chunk)
		if err := o.append(ctx, &g); err != nil {
			return r, err
		}
		ids := make([]int64, len(chunk))
		for i, l := range chunk {
			ids[i] = l.ID
		}
		if _, err := o.db.rows.dropDead(ctx, ids...); err != nil {
			return r, err
		}
		r.Replayed += len(chunk)
	}
	return r, nil
}

// append repeats what has an unknown outcome: under the same number a group that
// was stored is not stored again.
func (o *operator) append(ctx context.Context, g *sluice.Group) error {
	for {
		call, cancel := context.WithTimeout(ctx, replayTimeout/10)
		_, err := o.queue.Append(call, g)
		cancel()
		if err == nil || errors.Is(err, sluice.ErrFull) || errors.Is(err, sluice.ErrFenced) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (o *operator) unlease(ctx context.Context, l sluice.Lease) {
	if err := o.queue.Unlease(ctx, l); err != nil {
		o.log.Debug("lease not given up", "session", l.Session, "err", err)
	}
}

// parts sorts dead letters by route, as the messages that they were.
func (o *operator) parts(letters []store.StoredDead) []sluice.Part {
	var parts []sluice.Part
	for _, l := range letters {
		i := slices.IndexFunc(parts, func(p sluice.Part) bool { return p.Queue == l.Route })
		if i < 0 {
			i = len(parts)
			parts = append(parts, sluice.Part{Queue: l.Route, Policy: o.route(l.Route).Policy})
		}
		parts[i].Frame.Append([]byte(l.Topic), l.Payload, l.Received.UnixMicro())
	}
	return parts
}

func (o *operator) route(queue string) *sluice.Route {
	for _, r := range o.mux.Routes() {
		if r.Queue() == queue {
			return r
		}
	}
	return nil
}
