package sluice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// lane works on one queue: a sealer, which seals the open batch when its age
// demands it, and one worker per unit of concurrency, which claim batches and
// run the handler. Neither polls: they sleep until the time that the store
// named, are woken by appends and hints, and sweep slowly in case a hint was
// lost. What is true is in the store; a lane holds nothing that matters.
type lane struct {
	queue   Queue
	route   *Route
	handler Handler
	config  Config
	log     *slog.Logger

	// wake has room for a signal per worker: more would find nothing to do.
	wake chan struct{}
	// opened has room for one, the newest: an older one says nothing more.
	opened chan PartReceipt
	halted atomic.Bool
	// dead is the lane of QueueDead, nil when nobody works on it.
	dead *lane
	// forward returns what a batch that is done has for other queues; onward are
	// their lanes. Both may be nil.
	forward func(*Batch, Outcome) []Part
	onward  []*lane
}

func newLane(queue Queue, route *Route, h Handler, c Config) *lane {
	return &lane{
		queue: queue, route: route, handler: h, config: c,
		log:    c.Logger.With("route", route.Queue()),
		wake:   make(chan struct{}, route.Concurrency),
		opened: make(chan PartReceipt, 1),
	}
}

// signal wakes a worker.
func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// appended tells the lane what an append left open and sealed.
func (l *lane) appended(p PartReceipt) {
	if p.Sealed > 0 {
		l.signal()
	}
	select { // replace what the sealer has not seen yet
	case <-l.opened:
	default:
	}
	select { // another append may have been faster: as new
	case l.opened <- p:
	default:
	}
}

// look has the sealer ask the store how old the open batch is.
func (l *lane) look() { l.appended(PartReceipt{Open: math.MaxInt, Age: math.MaxInt64}) }

// run works until ctx ends; handlers is the context of the handlers, which
// outlives it by the grace of shutdown.
func (l *lane) run(ctx, handlers context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { l.sealer(ctx) })
	for range l.route.Concurrency {
		wg.Go(func() { l.worker(ctx, handlers) })
	}
	wg.Wait()
}

// sealer keeps one timer on the age of the open batch. It sweeps at once when
// it begins: another process may have left a batch open.
func (l *lane) sealer(ctx context.Context) {
	retry := backoff{min: l.config.RetryMin, max: l.config.RetryMax}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-l.opened: // due is due: a delay here would let a fast stream put it off for ever
			timer.Reset(l.untilSeal(p.Open, p.Age))
		case <-timer.C:
			timer.Reset(max(l.seal(ctx, &retry), time.Millisecond))
		}
	}
}

// untilSeal is the time until the sealer must look again.
func (l *lane) untilSeal(open int, age time.Duration) time.Duration {
	if d, ok := l.route.Policy.Wait(open, age); ok {
		return min(max(d, 0), l.config.Sweep)
	}
	return l.config.Sweep
}

// seal seals the open batch if its age demands it, and returns when to look
// again.
func (l *lane) seal(ctx context.Context, retry *backoff) time.Duration {
	call, cancel := context.WithTimeout(ctx, l.config.CallTimeout)
	defer cancel()
	s, err := l.queue.Seal(call, l.route.Queue(), l.route.Policy)
	if err != nil {
		l.log.Debug("seal failed", "err", err)
		return retry.next()
	}
	retry.reset()
	if s.Sealed {
		l.signal()
	}
	return l.untilSeal(s.Open, s.Age)
}

// worker claims and handles batches one after the other.
func (l *lane) worker(ctx, handlers context.Context) {
	retry := backoff{min: l.config.RetryMin, max: l.config.RetryMax}
	idle := time.NewTimer(0)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-idle.C:
		}
		for more := true; more && ctx.Err() == nil; {
			var pause time.Duration
			more, pause = l.next(handlers, &retry)
			idle.Reset(pause)
		}
	}
}

// next handles the next batch if there is one; more says whether to ask again
// at once, else pause is how long to wait for a signal. ctx is that of the
// handlers, also for the claim: under the worker's own, which ends earlier, an
// answer could be thrown away, and its batch held for ClaimTTL.
func (l *lane) next(ctx context.Context, retry *backoff) (more bool, pause time.Duration) {
	call, cancel := context.WithTimeout(ctx, l.config.CallTimeout)
	got, err := l.queue.Claim(call, ClaimRequest{Queue: l.route.Queue(), Concurrency: l.route.Concurrency, TTL: l.config.ClaimTTL})
	cancel()
	if err != nil {
		l.log.Debug("claim failed", "err", err)
		return false, retry.next()
	}
	retry.reset()
	if got.Claim == nil {
		pause = l.config.Sweep
		if got.Wait > 0 {
			pause = min(pause, got.Wait)
		}
		return false, pause
	}
	l.signal() // another worker may find one more
	l.work(ctx, got.Claim)
	return true, 0
}

// work runs the handler on a claimed batch, keeping the claim alive, and
// settles the batch by what it returned.
func (l *lane) work(ctx context.Context, c *Claim) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var extending sync.WaitGroup
	done := make(chan struct{})
	extending.Go(func() { l.extend(ctx, done, c, cancel) })

	c.Batch.filters = l.route.filters
	c.Batch.keep = func(ctx context.Context, note []byte) error { return l.note(ctx, c, note) }
	began := time.Now()
	err := l.call(ctx, c.Batch)
	took := time.Since(began)
	if !errors.Is(context.Cause(ctx), ErrLost) {
		l.settle(ctx, c, err, took)
	}
	close(done)
	extending.Wait()
}

// extend prolongs the claim until done; a lost claim ends the handler's ctx.
func (l *lane) extend(ctx context.Context, done <-chan struct{}, c *Claim, lost context.CancelCauseFunc) {
	tick := time.NewTicker(l.config.ClaimTTL / 3)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		call, cancel := context.WithTimeout(ctx, l.config.CallTimeout)
		err := l.queue.Extend(call, c, l.config.ClaimTTL)
		cancel()
		if errors.Is(err, ErrLost) {
			l.log.Warn("claim lost, another worker has the batch", "batch", c.Batch.ID)
			lost(ErrLost)
			return
		}
	}
}

// call runs the handler and turns a panic into an error.
func (l *lane) call(ctx context.Context, b *Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("handler panicked, the batch will be tried again", "batch", b.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("handler panicked: %v", p)
		}
	}()
	return l.handler.Handle(ctx, b)
}

func (l *lane) note(ctx context.Context, c *Claim, note []byte) error {
	ctx, cancel := context.WithTimeout(ctx, l.config.CallTimeout)
	defer cancel()
	return l.queue.Note(ctx, c, note)
}

// settle completes the batch or puts it into retry.
func (l *lane) settle(ctx context.Context, c *Claim, result error, took time.Duration) {
	outcome, err := outcomeOf(c.Batch, result)
	if err != nil {
		l.release(ctx, c, err)
		return
	}
	if l.route.Queue() == QueueDead {
		outcome = unstorable(outcome)
	}
	if l.forward != nil {
		outcome.Forward = l.forward(c.Batch, outcome)
	}
	completed := l.complete(ctx, c, outcome)
	for _, next := range l.onward { // also when only the answer was lost
		next.look()
	}
	if !completed {
		return
	}
	if l.halted.Swap(false) || c.Batch.Attempt > 1 {
		l.log.Info("batch handled after failures", "batch", c.Batch.ID, "attempt", c.Batch.Attempt)
	}
	if len(outcome.Dead) > 0 {
		l.log.Debug("dead letters", "batch", c.Batch.ID, "count", len(outcome.Dead), "reason", outcome.Dead[0].Reason)
		if l.dead != nil {
			l.dead.look()
		}
	}
	l.config.Observer.Handled(l.route.Queue(), len(c.Batch.Messages), outcome, took)
}

// complete repeats Complete until its outcome is known. ErrLost after a call
// whose answer was lost most likely means that it had succeeded; if another
// worker has the batch instead, the handler's own memory of it decides. Once ctx
// has ended one more try may finish: a batch that was handled at the last moment
// of the grace is not handled again.
func (l *lane) complete(ctx context.Context, c *Claim, o Outcome) bool {
	retry := backoff{min: l.config.RetryMin, max: l.config.RetryMax}
	for {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.CallTimeout)
		err := l.queue.Complete(call, c, o)
		cancel()
		if err == nil {
			return true
		}
		if errors.Is(err, ErrLost) || ctx.Err() != nil {
			l.log.Debug("batch not completed", "batch", c.Batch.ID, "err", err)
			return false
		}
		wait(ctx, retry.next())
	}
}

// release puts the batch into retry. When the handlers' grace is over the batch
// becomes claimable at once for another router.
func (l *lane) release(ctx context.Context, c *Claim, cause error) {
	retry := backoff{min: l.config.RetryMin, max: l.config.RetryMax}
	r := Retry{After: retry.at(c.Batch.Attempt - 1), Reason: cause.Error()}
	var halt *haltError
	if later, ok := errors.AsType[*retryAfterError](cause); ok {
		r.After = later.after
	}
	switch {
	case ctx.Err() != nil:
		r.After = 0
	case errors.As(cause, &halt):
		r.After, r.Halted = l.config.Probe, true
		if !l.halted.Swap(true) {
			l.log.Error("route halted: its batches wait until this is mended", "batch", c.Batch.ID, "err", cause)
		}
	case c.Batch.Attempt == 1 || c.Batch.Attempt%100 == 0:
		l.log.Warn("batch failed, will be tried again", "batch", c.Batch.ID, "attempt", c.Batch.Attempt, "after", r.After, "err", cause)
	}
	l.config.Observer.Retried(l.route.Queue(), cause)
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.CallTimeout)
	defer cancel()
	if err := l.queue.Release(call, c, r); err != nil { // the claim will expire
		l.log.Debug("batch not released", "batch", c.Batch.ID, "err", err)
	}
}
