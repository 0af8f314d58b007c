package sluice

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ingest is the path from the broker into the queue. At most one append is in
// flight, and nothing is acknowledged before its append has returned: the whole
// guarantee of the receiving side is the order of the three calls in pump.
//
// Its goroutine owns all fields but leading and fault.
type ingest struct {
	queue    Queue
	source   Source
	config   Config
	holder   string
	groups   *grouper
	keeper   Attendant // nil: devices are not watched
	appended func(*Group, Receipt)
	pushed   func(PresenceReceipt)
	log      *slog.Logger
	retry    backoff
	door     string // the session of a front door, "" when the last one was opened
	leading  atomic.Bool
	fault    atomic.Pointer[error] // why neither leading nor standing by; nil: no fault
}

// errStarting is the fault before the first session.
var errStarting = errors.New("not connected yet")

func newIngest(r *Router) *ingest {
	c := r.config
	log := c.Logger.With("session", c.Session)
	in := &ingest{
		queue: r.queue, source: c.Source, config: c, holder: holderName(), log: log,
		appended: r.appended, pushed: r.pushed,
		retry: backoff{min: c.RetryMin, max: c.RetryMax},
	}
	if c.Presence != nil {
		in.keeper = c.Presence.Keeper
	}
	in.groups = newGrouper(r.mux, in.keeper, c.Observer, log)
	if in.groups.presence != nil {
		in.groups.presence.direct = c.Door != nil
	}
	in.fault.Store(&errStarting)
	return in
}

// standbyPoll is how often a standby asks for the lease.
const standbyPoll = 500 * time.Millisecond

// run leads whenever the lease can be had, until ctx ends.
func (in *ingest) run(ctx context.Context) {
	standby := false
	for ctx.Err() == nil {
		err := in.lead(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrHeld):
			if !standby {
				in.log.Info("standing by: another router reads the broker")
			}
			standby = true
			in.fault.Store(nil)
			wait(ctx, standbyPoll)
			continue
		case errors.Is(err, ErrFenced):
			in.log.Warn("another router took over the broker session")
		default:
			in.log.Error("broker session ended, reconnecting", "err", err)
		}
		standby = false
		in.fault.Store(&err)
		wait(ctx, in.retry.next())
	}
}

// lead takes the lease, opens a session and pumps until either ends. A new
// token comes first, the redelivery record with it: from then on no earlier
// session of any router can append behind that record.
func (in *ingest) lead(ctx context.Context) error {
	// Not under ctx: a lease whose answer is thrown away keeps others out for LeaseTTL.
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.config.CallTimeout)
	lease, err := in.queue.Lease(call, in.session(), in.holder, in.config.LeaseTTL)
	cancel()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { in.keep(ctx, lease, stop) })
	err = in.serve(ctx, lease)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	stop(err)
	wg.Wait()
	in.unlease(ctx, lease)
	return err
}

// session names the ingest session. A front door takes a new one after each that was
// opened: the connections of that one are gone, and are wound up under their own name.
func (in *ingest) session() string {
	if in.config.Door == nil {
		return in.config.Session
	}
	if in.door == "" {
		in.door = in.config.Session + "-" + rand.Text()
	}
	return in.door
}

// keep renews the lease until ctx ends, and ends the session when it is lost.
// While the store does not answer, the session goes on: a lost lease shows at
// the next append at the latest. It asks again often then, so that the lease is
// renewed well before the heirs of a front door take it for a dead one's.
func (in *ingest) keep(ctx context.Context, l Lease, stop context.CancelCauseFunc) {
	ttl := in.config.LeaseTTL
	for pause := ttl / 3; ; {
		wait(ctx, pause)
		if ctx.Err() != nil {
			return
		}
		call, cancel := context.WithTimeout(ctx, min(in.config.CallTimeout, ttl/4))
		err := in.queue.Renew(call, l, ttl)
		cancel()
		switch {
		case err == nil:
			pause = ttl / 3
		case errors.Is(err, ErrFenced):
			stop(ErrFenced)
			return
		default:
			pause = ttl / 20
		}
	}
}

// unlease lets another router take over at once, also when only this one cannot
// reach the broker.
func (in *ingest) unlease(ctx context.Context, l Lease) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := in.queue.Unlease(call, l); err != nil {
		in.log.Debug("lease not given up", "err", err)
	}
}

func (in *ingest) serve(ctx context.Context, l Lease) error {
	if err := in.prepare(ctx, l); err != nil {
		return err
	}
	s, err := in.open(ctx, l)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // what ended the session is told by pump
	if in.config.Door != nil {
		defer in.attendDoor(ctx, l, s)()
		in.groups.begin(l, 0)
		in.log.Info("the front door is open", "lease", l.Session)
	} else {
		if l.Delivered, err = in.settle(ctx, l, s); err != nil {
			return err
		}
		defer in.attend(ctx, l, s, s.Resumed())()
		in.groups.begin(l, 2*s.ReceiveMaximum())
		in.log.Info("reading the broker", "resumed", s.Resumed())
	}
	if in.config.Presence != nil {
		in.groups.group.Presence = in.config.Presence.Settings
	}
	in.config.Observer.Event(EventLeading)
	in.leading.Store(true)
	in.fault.Store(nil)
	defer func() {
		in.leading.Store(false)
		in.config.Observer.Event(EventDisconnected)
	}()
	return in.pump(ctx, s)
}

// prepare tells the store of the session before its connection: what comes on that
// is newer.
func (in *ingest) prepare(ctx context.Context, l Lease) error {
	if d := in.config.Door; d != nil {
		err := in.insist(ctx, "enter", func(ctx context.Context) error { return d.Clients.EnterDoor(ctx, l) })
		if err != nil {
			return err
		}
	}
	if in.keeper == nil {
		return nil
	}
	return in.insist(ctx, "attend", func(ctx context.Context) error { return in.keeper.Begin(ctx, l) })
}

// settle makes the store agree with the session that the broker has, and returns
// the redelivery record that holds for it.
func (in *ingest) settle(ctx context.Context, l Lease, s Session) ([]Delivered, error) {
	if !s.Resumed() {
		if err := in.fresh(ctx, l); err != nil {
			return nil, err
		}
		l.Delivered = nil
	}
	return l.Delivered, in.subscribed(ctx, l, in.groups.subscriptions())
}

// attend starts the keeper of presence beside the session and returns what stops
// it.
func (in *ingest) attend(ctx context.Context, l Lease, s Session, resumed bool) (end func()) {
	if in.keeper == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		in.keeper.Attend(ctx, Attended{
			Lease: l, Resumed: resumed, Pushed: in.pushed,
			Mark: func(at int64) error { return s.Mark(markPayload(l.Token, at)) },
		})
	})
	return func() { stop(); wg.Wait() }
}

// open opens a session. Where the configuration changed, the store knows the old
// and the new filters before the broker knows the new ones, so that none stays
// subscribed for ever, whenever this process dies.
func (in *ingest) open(ctx context.Context, l Lease) (Session, error) {
	if in.config.Door != nil {
		s, err := in.source.Open(ctx, l, nil)
		if err == nil {
			in.door = ""
		}
		return s, err
	}
	want := in.groups.subscriptions()
	obsolete := without(l.Filters, want)
	if l.Filters != nil && len(without(want, l.Filters)) > 0 {
		if err := in.subscribed(ctx, l, append(obsolete, want...)); err != nil {
			return nil, err
		}
	}
	if len(obsolete) > 0 {
		in.log.Info("unsubscribing from what no route wants any more", "filters", obsolete)
	}
	return in.source.Open(ctx, l, obsolete)
}

// without returns the elements of a that are not in b.
func without(a, b []string) []string {
	var rest []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// subscribed records the broker's subscriptions if they are not those that the
// lease found.
func (in *ingest) subscribed(ctx context.Context, l Lease, filters []string) error {
	if slices.Equal(l.Filters, filters) {
		return nil
	}
	return in.insist(ctx, "subscribe", func(ctx context.Context) error {
		return in.queue.Subscribe(ctx, l, filters)
	})
}

// fresh deals with a broker that does not know the session: what it may send
// again now has nothing to do with what was recorded. It insists on Forget,
// because at the next connection the broker would know the session again.
func (in *ingest) fresh(ctx context.Context, l Lease) error {
	if l.Filters != nil {
		in.log.Error("the broker had lost the session: messages that it held are gone")
		in.config.Observer.Event(EventSessionLost)
	}
	return in.insist(ctx, "forget", func(ctx context.Context) error {
		return in.queue.Forget(ctx, l)
	})
}

// insist repeats a call of the queue until it succeeds, is fenced, or ctx ends.
func (in *ingest) insist(ctx context.Context, what string, do func(context.Context) error) error {
	retry := backoff{min: in.config.RetryMin, max: in.config.RetryMax}
	for {
		call, cancel := context.WithTimeout(ctx, in.config.CallTimeout)
		err := do(call)
		cancel()
		if err == nil || errors.Is(err, ErrFenced) || ctx.Err() != nil {
			return err
		}
		in.log.Debug("queue call failed, will be repeated", "call", what, "err", err)
		wait(ctx, retry.next())
	}
}

// pump is the hot loop: receive, append, acknowledge. What was received is one
// group unless it is larger than a group may be.
func (in *ingest) pump(ctx context.Context, s Session) error {
	for {
		ds, err := s.Receive(ctx)
		if err != nil {
			return err
		}
		for len(ds) > 0 {
			n := groupLength(ds)
			if err := in.take(ctx, s, ds[:n]); err != nil {
				return err
			}
			ds = ds[n:]
		}
		in.retry.reset()
	}
}

// take makes a group of ds, appends and acknowledges it.
func (in *ingest) take(ctx context.Context, s Session, ds []Delivery) error {
	g := in.groups.build(ds)
	began := time.Now()
	receipt, err := in.append(ctx, g, ds)
	if err != nil {
		return err
	}
	stalled := time.Since(began) > heldAfter
	if in.keeper != nil {
		in.keeper.Applied(receipt.Presence, g.CaughtUp)
	}
	err = s.Ack(ds)
	in.appended(g, receipt) // also when the connection broke: it is stored
	if err == nil && stalled {
		err = in.unheard(ctx, g.Lease)
	}
	return err
}

// heldAfter is how long nothing may be acknowledged before that explains the silence
// of a device: less than one with a silent_after of a few seconds has to spare.
const heldAfter = time.Second

// unheard excuses the silence of devices after a time in which nothing was
// acknowledged, before the next append can say that everything until then has come.
// Those that connect to the source itself, and send one message at a time, could not
// speak. Behind a broker they could.
func (in *ingest) unheard(ctx context.Context, l Lease) error {
	if in.config.Door == nil || in.keeper == nil {
		return nil
	}
	return in.insist(ctx, "unheard", func(ctx context.Context) error { return in.keeper.Unheard(ctx, l) })
}

// maxGroup bounds a group in bytes of records, unless a single message exceeds
// it. While a full queue holds the broker back, messages gather up to the receive
// maximum: as one group they might never fit into the queue again, and an append
// of 100 MB would outlast CallTimeout at every try.
const maxGroup = 1 << 20

// groupLength returns how many of ds make the next group: at least 1.
func groupLength(ds []Delivery) int {
	size := 0
	for i := range ds {
		size += FrameHeader + len(ds[i].Topic) + len(ds[i].Payload)
		if size > maxGroup && i > 0 {
			return i
		}
	}
	return len(ds)
}

// append repeats the append of one group until it is durable or fenced. The
// group keeps its number, so that a try whose answer was lost is not stored
// twice. Once ctx has ended one more try may finish, within CallTimeout.
func (in *ingest) append(ctx context.Context, g *Group, ds []Delivery) (Receipt, error) {
	retry := backoff{min: in.config.RetryMin, max: in.config.RetryMax}
	began := time.Now()
	for failed := error(nil); ; {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.config.CallTimeout)
		receipt, err := in.queue.Append(call, g)
		cancel()
		if err == nil {
			took := time.Since(began)
			if failed != nil {
				in.log.Info("appending again", "after", took)
			}
			in.config.Observer.Appended(g, took)
			return receipt, nil
		}
		if errors.Is(err, ErrFenced) || ctx.Err() != nil {
			return Receipt{}, err
		}
		if limit, ok := errors.AsType[*DeviceLimitError](err); ok { // nothing was stored
			in.groups.limit(ds, limit)
			continue
		}
		if stale, ok := errors.AsType[*StaleClientsError](err); ok && in.groups.stale(ds, stale) { // as before
			continue
		}
		in.report(err, failed)
		failed = err
		wait(ctx, retry.next())
	}
}

// report logs a failing append once per kind, and counts every one.
func (in *ingest) report(err, before error) {
	event := EventAppendFailed
	if errors.Is(err, ErrFull) {
		event = EventFull
	}
	in.config.Observer.Event(event)
	if before == nil || errors.Is(err, ErrFull) != errors.Is(before, ErrFull) {
		in.log.Error("append failed, nothing is acknowledged until it succeeds", "err", err)
	}
}
