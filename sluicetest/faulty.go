package sluicetest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"sluice"
)

// ErrFault is what a call returns that a Plan made fail.
var ErrFault = errors.New("injected fault")

// Fate is what happens to one call of a FaultyQueue.
type Fate int

// Fates of calls.
const (
	// Pass makes the call.
	Pass Fate = iota
	// Refuse returns an error instead of making the call: the caller died, or the
	// request was lost, before it had an effect.
	Refuse
	// Lose makes the call and returns an error in place of its answer: the caller
	// died, or the answer was lost, after it had an effect.
	Lose
	// Hang makes no call and returns when its context ends: the store stands
	// still.
	Hang
)

// A Plan decides the fate of each call; op is the name of the method. It may be
// called from several goroutines.
type Plan func(op string) Fate

// FaultyQueue is a sluice.Queue that can fail between any two calls of another
// one, and a sluice.DeviceStore and ClientStore if the other is. Watch only knows Pass and Refuse;
// Break ends those that run. Safe for concurrent use.
type FaultyQueue struct {
	queue sluice.Queue
	plan  Plan

	mu       sync.Mutex
	orders   map[string]*order
	calls    map[string]int
	watching map[*context.CancelCauseFunc]bool
}

// order is a fate for the next calls of one method.
type order struct {
	fate Fate
	err  error
	left int // calls; negative: without end
}

var _ sluice.Queue = (*FaultyQueue)(nil)

// Faulty wraps q. plan decides about every call for which no order of Fail is
// left; nil lets all of them pass.
func Faulty(q sluice.Queue, plan Plan) *FaultyQueue {
	return &FaultyQueue{queue: q, plan: plan, orders: map[string]*order{}, calls: map[string]int{}, watching: map[*context.CancelCauseFunc]bool{}}
}

// Fail gives the next n calls of a method ("Append", "Complete", ...) a fate and,
// for Refuse and Lose, their error. A negative n means every call until the next
// Fail of that method; 0 ends an earlier order. It panics on an unknown method.
func (f *FaultyQueue) Fail(op string, fate Fate, err error, n int) {
	if _, ok := reflect.TypeFor[Store]().MethodByName(op); !ok {
		panic("sluicetest: no method " + op + " of Store")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orders[op] = &order{fate, err, n}
}

// Calls returns how often a method was called, whatever became of the calls.
func (f *FaultyQueue) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Break ends every Watch that runs with ErrFault.
func (f *FaultyQueue) Break() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for cancel := range f.watching {
		(*cancel)(ErrFault)
	}
}

// fate decides about one call.
func (f *FaultyQueue) fate(op string) (Fate, error) {
	f.mu.Lock()
	f.calls[op]++
	if o := f.orders[op]; o != nil && o.left != 0 {
		o.left--
		f.mu.Unlock()
		return o.fate, o.err
	}
	f.mu.Unlock()
	if f.plan == nil {
		return Pass, nil
	}
	return f.plan(op), ErrFault // the plan may call f
}

// do makes a call, or not, as its fate says.
func do[T any](ctx context.Context, f *FaultyQueue, op string, call func() (T, error)) (answer T, err error) {
	fate, fault := f.fate(op)
	switch fate {
	case Refuse:
		return answer, fault
	case Hang:
		<-ctx.Done()
		return answer, ctx.Err()
	case Lose:
		if _, err := call(); err != nil {
			return answer, err
		}
		return answer, fault
	}
	return call()
}

// run is do for methods without an answer.
func (f *FaultyQueue) run(ctx context.Context, op string, call func() error) error {
	_, err := do(ctx, f, op, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// Lease implements sluice.Queue.
func (f *FaultyQueue) Lease(ctx context.Context, session, holder string, ttl time.Duration) (sluice.Lease, error) {
	return do(ctx, f, "Lease", func() (sluice.Lease, error) { return f.queue.Lease(ctx, session, holder, ttl) })
}

// Renew implements sluice.Queue.
func (f *FaultyQueue) Renew(ctx context.Context, l sluice.Lease, ttl time.Duration) error {
	return f.run(ctx, "Renew", func() error { return f.queue.Renew(ctx, l, ttl) })
}

// Unlease implements sluice.Queue.
func (f *FaultyQueue) Unlease(ctx context.Context, l sluice.Lease) error {
	return f.run(ctx, "Unlease", func() error { return f.queue.Unlease(ctx, l) })
}

// Forget implements sluice.Queue.
func (f *FaultyQueue) Forget(ctx context.Context, l sluice.Lease) error {
	return f.run(ctx, "Forget", func() error { return f.queue.Forget(ctx, l) })
}

// Subscribe implements sluice.Queue.
func (f *FaultyQueue) Subscribe(ctx context.Context, l sluice.Lease, filters []string) error {
	return f.run(ctx, "Subscribe", func() error { return f.queue.Subscribe(ctx, l, filters) })
}

// Append implements sluice.Queue.
func (f *FaultyQueue) Append(ctx context.Context, g *sluice.Group) (sluice.Receipt, error) {
	return do(ctx, f, "Append", func() (sluice.Receipt, error) { return f.queue.Append(ctx, g) })
}

// Seal implements sluice.Queue.
func (f *FaultyQueue) Seal(ctx context.Context, queue string, p sluice.Policy) (sluice.SealResult, error) {
	return do(ctx, f, "Seal", func() (sluice.SealResult, error) { return f.queue.Seal(ctx, queue, p) })
}

// Claim implements sluice.Queue.
func (f *FaultyQueue) Claim(ctx context.Context, r sluice.ClaimRequest) (sluice.ClaimResult, error) {
	return do(ctx, f, "Claim", func() (sluice.ClaimResult, error) { return f.queue.Claim(ctx, r) })
}

// Extend implements sluice.Queue.
func (f *FaultyQueue) Extend(ctx context.Context, c *sluice.Claim, ttl time.Duration) error {
	return f.run(ctx, "Extend", func() error { return f.queue.Extend(ctx, c, ttl) })
}

// Complete implements sluice.Queue.
func (f *FaultyQueue) Complete(ctx context.Context, c *sluice.Claim, o sluice.Outcome) error {
	return f.run(ctx, "Complete", func() error { return f.queue.Complete(ctx, c, o) })
}

// Release implements sluice.Queue.
func (f *FaultyQueue) Release(ctx context.Context, c *sluice.Claim, r sluice.Retry) error {
	return f.run(ctx, "Release", func() error { return f.queue.Release(ctx, c, r) })
}

// Note implements sluice.Queue.
func (f *FaultyQueue) Note(ctx context.Context, c *sluice.Claim, note []byte) error {
	return f.run(ctx, "Note", func() error { return f.queue.Note(ctx, c, note) })
}

// Resume implements sluice.Queue.
func (f *FaultyQueue) Resume(ctx context.Context, queue string) error {
	return f.run(ctx, "Resume", func() error { return f.queue.Resume(ctx, queue) })
}

// Status implements sluice.Queue.
func (f *FaultyQueue) Status(ctx context.Context, queue string) (sluice.QueueStatus, error) {
	return do(ctx, f, "Status", func() (sluice.QueueStatus, error) { return f.queue.Status(ctx, queue) })
}

// Watch implements sluice.Queue.
func (f *FaultyQueue) Watch(ctx context.Context, wake func(queue string)) error {
	if fate, err := f.fate("Watch"); fate != Pass {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.watch(&cancel, true)
	defer f.watch(&cancel, false)
	err := f.queue.Watch(ctx, wake)
	if errors.Is(context.Cause(ctx), ErrFault) {
		return ErrFault
	}
	return err
}

func (f *FaultyQueue) watch(cancel *context.CancelCauseFunc, running bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if running {
		f.watching[cancel] = true
	} else {
		delete(f.watching, cancel)
	}
}
