package sluice

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// heirsPoll is how often the sessions of the front door are looked at.
	heirsPoll = time.Second
	// prunePause is how long after a round over all clients the next one begins; while a
	// round lasts it goes on a page a poll.
	prunePause = time.Minute
)

// heirs winds up the sessions of replicas of the front door that are no more. Every
// replica does that for all others; the store sees to it that it is done once.
//
// A lease that has expired does not prove that its holder is dead: when the store
// stood still, every lease looks expired until its owner comes to renew it, and an
// expired lease that nobody took is still renewed. So a session counts as dead only
// when it was seen expired and not renewed over half of LeaseTTL of polls in a row
// that succeeded. One that was given up is wound up at once.
//
// One goroutine owns it.
type heirs struct {
	clients  ClientStore
	lease    Lease
	grace    time.Duration
	patience time.Duration // of polls over which a session must look dead
	timeout  time.Duration // of a call
	presence PresenceSettings
	now      func() int64 // presence time
	pushed   func(PresenceReceipt)
	log      *slog.Logger

	waning map[string]waning // by session
	polled time.Time         // of the last poll, if that succeeded

	pruning string // cursor
	pruned  time.Time
}

// waning is a session whose lease has expired.
type waning struct {
	door  DoorSession
	lasts time.Duration
}

func (in *ingest) heirs(l Lease) *heirs {
	c := in.config
	h := &heirs{
		clients: c.Door.Clients, lease: l, grace: c.Door.Grace, patience: c.LeaseTTL / 2, timeout: c.CallTimeout,
		pushed: in.pushed, log: in.log, waning: map[string]waning{}, now: func() int64 { return 0 },
	}
	if in.keeper != nil {
		h.presence, h.now = c.Presence.Settings, in.keeper.Now
	}
	return h
}

// attendDoor starts the heirs beside the session, and the keeper of presence after
// their first look at the other replicas, and returns what stops both.
func (in *ingest) attendDoor(ctx context.Context, l Lease, s Session) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	endKeeper := func() {}
	wg.Go(func() {
		in.heirs(l).run(ctx, func(alone bool) { endKeeper = in.attend(ctx, l, s, !alone) })
	})
	return func() {
		stop()
		wg.Wait()
		endKeeper()
	}
}

// run works until ctx ends. first is called once, after the first poll that
// succeeded, with whether no other replica was alive then.
func (h *heirs) run(ctx context.Context, first func(alone bool)) {
	tick := time.NewTicker(heirsPoll)
	defer tick.Stop()
	for begun := false; ctx.Err() == nil; {
		doors, err := h.poll(ctx)
		if err == nil {
			h.windUp(ctx, h.dead(doors))
			h.prune(ctx)
			if !begun {
				begun = true
				first(h.alone(doors))
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// poll lists the sessions. After one that failed nothing counts that was seen
// before it.
func (h *heirs) poll(ctx context.Context) (doors []DoorSession, err error) {
	err = h.call(ctx, func(ctx context.Context) (err error) {
		doors, err = h.clients.Doors(ctx)
		return err
	})
	if err != nil {
		h.log.Debug("sessions of the front door not read", "err", err)
		clear(h.waning)
		h.polled = time.Time{}
	}
	return doors, err
}

// alone tells whether no other session was alive.
func (h *heirs) alone(doors []DoorSession) bool {
	for _, d := range doors {
		if d.Session != h.lease.Session && d.Token != "" && !d.Expired {
			return false
		}
	}
	return true
}

// dead returns the sessions to be wound up, by what was seen until now.
func (h *heirs) dead(doors []DoorSession) (dead []DoorSession) {
	now, passed := time.Now(), time.Duration(0)
	if !h.polled.IsZero() { // a poll that comes late, after a suspension, proves no more
		passed = min(now.Sub(h.polled), 2*heirsPoll)
	}
	h.polled = now
	still := map[string]waning{}
	for _, d := range doors {
		switch {
		case d.Session == h.lease.Session:
		case d.Token == "":
			dead = append(dead, d)
		case d.Expired:
			w := waning{door: d}
			if before, ok := h.waning[d.Session]; ok && before.door == d {
				w.lasts = before.lasts + passed
			}
			still[d.Session] = w
			if w.lasts >= h.patience {
				dead = append(dead, d)
			}
		}
	}
	h.waning = still
	return dead
}

// windUp inherits sessions. What fails is begun anew with the next poll.
func (h *heirs) windUp(ctx context.Context, dead []DoorSession) {
	for _, d := range dead {
		clients, wills, err := h.inherit(ctx, d)
		switch {
		case err == nil:
			h.log.Warn("wound up a replica of the front door that is no more", "lease", d.Session, "connections", clients, "wills", wills)
		case errors.Is(err, ErrHeld): // it was renewed at the last moment
			delete(h.waning, d.Session)
		default:
			h.log.Debug("replica of the front door not wound up, will be tried again", "lease", d.Session, "err", err)
		}
	}
}

// inherit turns all pages of a session.
func (h *heirs) inherit(ctx context.Context, d DoorSession) (clients, wills int, err error) {
	r := InheritRequest{Session: d.Session, Token: d.Token, Now: h.now(), Grace: h.grace, Presence: h.presence}
	for cursor, begun := "", false; !begun || cursor != ""; begun = true {
		var done Inherited
		err := h.call(ctx, func(ctx context.Context) (err error) {
			cursor, done, err = h.clients.Inherit(ctx, h.lease, r, cursor)
			return err
		})
		if err != nil {
			return clients, wills, err
		}
		clients, wills = clients+done.Clients, wills+done.Wills
		h.pushed(done.Receipt)
	}
	return clients, wills, nil
}

// prune turns one page, when it is time.
func (h *heirs) prune(ctx context.Context) {
	if h.pruning == "" && !h.pruned.IsZero() && time.Since(h.pruned) < prunePause {
		return
	}
	err := h.call(ctx, func(ctx context.Context) (err error) {
		h.pruning, _, err = h.clients.PruneClients(ctx, h.pruning)
		return err
	})
	if err != nil {
		h.log.Debug("clients not pruned", "err", err)
	}
	h.pruned = time.Now()
}

// call bounds a call of the store.
func (h *heirs) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	return do(ctx)
}
