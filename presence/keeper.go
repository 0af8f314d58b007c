package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sluice"
)

// Store is what a Keeper needs of a sluice.DeviceStore.
type Store interface {
	Clock(ctx context.Context) (sluice.StoreClock, error)
	SetOffset(ctx context.Context, before, after int64) error
	Attend(ctx context.Context, l sluice.Lease, seen int64) (sluice.Attendance, error)
	Unheard(ctx context.Context, l sluice.Lease, until int64) error
	Due(ctx context.Context, l sluice.Lease, r sluice.DueRequest) (sluice.DueResult, error)
	Grace(ctx context.Context, l sluice.Lease, r sluice.GraceRequest, cursor string) (string, sluice.PresenceReceipt, error)
}

// Keeper is a sluice.Attendant: one per router.
type Keeper struct {
	store  Store
	config Config
	log    *slog.Logger
	clock  *clock
	sync   string

	began   int64 // presence time of Begin; Begin and Attend take turns
	known   sluice.Attendance
	uptimes chan uptime   // room for one, the newest
	wake    chan struct{} // room for one: something may be due earlier than thought
	// armed is the presence time that the loop sleeps for; 0: for none.
	armed atomic.Int64
	// told is the earliest deadline after the last append, 0 for none since the
	// store was asked.
	told atomic.Int64
	// marked is the presence time of the oldest marker that is on its way, 0 for
	// none.
	marked atomic.Int64
}

var _ sluice.Attendant = (*Keeper)(nil)

// New wires a keeper and starts nothing.
func New(store Store, c Config) *Keeper {
	c = c.withDefaults()
	return &Keeper{
		store: store, config: c, log: c.Logger, clock: newClock(), sync: "sluice/sync/" + c.Facility,
		uptimes: make(chan uptime, 1), wake: make(chan struct{}, 1),
	}
}

// Sync implements sluice.Attendant.
func (k *Keeper) Sync() string { return k.sync }

// Now implements sluice.Attendant.
func (k *Keeper) Now() int64 { return k.clock.Now() }

// readEvery is how often the store's clock is read.
const readEvery = time.Second

// Run implements sluice.Attendant. Routers that stand by run it too: who takes
// over must know whether the store's clock has jumped.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		if err := k.readClock(ctx); err != nil && ctx.Err() == nil {
			k.log.Debug("store's clock not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// errSlow refuses a first reading that took too long.
var errSlow = errors.New("the store's clock was read too slowly")

func (k *Keeper) readClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.config.CallTimeout)
	defer cancel()
	sent := time.Now()
	r, err := k.store.Clock(ctx)
	if err != nil {
		return err
	}
	jump := k.clock.observe(r, sent, time.Now())
	switch {
	case k.clock.Now() == 0:
		return errSlow
	case jump == 0:
		return nil
	}
	k.log.Warn("the store's clock has jumped, deadlines move with it", "by", time.Duration(jump)*time.Microsecond)
	err = k.store.SetOffset(ctx, r.Offset, r.Offset+jump)
	if err == nil {
		k.clock.correction()
	}
	return err
}

// Begin implements sluice.Attendant.
func (k *Keeper) Begin(ctx context.Context, l sluice.Lease) (err error) {
	if k.clock.Now() == 0 {
		if err := k.readClock(ctx); err != nil {
			return err
		}
	}
	k.known, err = k.store.Attend(ctx, l, 0)
	k.began = k.clock.Now()
	k.marked.Store(0)
	select {
	case <-k.uptimes: // of an earlier session
	default:
	}
	return err
}

// Uptime implements sluice.Attendant.
func (k *Keeper) Uptime(up time.Duration, at int64, stale bool) {
	select { // the newest replaces one that was not looked at
	case <-k.uptimes:
	default:
	}
	k.uptimes <- uptime{up, at, stale} // there is room: only this goroutine sends
}

// Applied implements sluice.Attendant.
func (k *Keeper) Applied(r sluice.PresenceReceipt, caughtUp int64) {
	if caughtUp > 0 && caughtUp >= k.marked.Load() {
		k.marked.Store(0)
	}
	if r.Next > 0 {
		k.told.Store(r.Next)
	}
	armed := k.armed.Load() // after told: judge sees that, or this sees what judge found
	if caughtUp == 0 && (r.Next == 0 || armed > 0 && armed <= r.Next) {
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Unheard implements sluice.Attendant.
func (k *Keeper) Unheard(ctx context.Context, l sluice.Lease) error {
	return k.store.Unheard(ctx, l, k.clock.Now())
}

// lateMarker is how long a marker may be on its way before that is a fault.
const lateMarker = time.Minute

// Fault tells why outages cannot be told now; nil when they can. Safe for
// concurrent use.
func (k *Keeper) Fault() error {
	at := k.marked.Load()
	if at == 0 {
		return nil
	}
	if age := time.Duration(k.clock.Now()-at) * time.Microsecond; age > lateMarker {
		return fmt.Errorf("outages wait: a marker on %s has not come back for %s; is the broker's queue that long, and may the router write and read that topic?",
			k.sync, age.Round(time.Second))
	}
	return nil
}

// call bounds a call of the store.
func (k *Keeper) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, k.config.CallTimeout)
	defer cancel()
	return do(ctx)
}

// over tells that a session has nothing more to judge.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, sluice.ErrFenced)
}
