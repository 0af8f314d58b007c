package sluice

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// Config configures a Router. Every zero field has the stated default.
type Config struct {
	// Source gives the messages. Nil: this router only works on batches.
	Source Source
	// Session names the ingest lease: routers that read the same broker session
	// share it, and one of them leads at a time. Default "broker".
	Session string
	// Door: Source is a front door. Nil: it reads a broker.
	Door *Door
	// Dead handles QueueDead, whose messages are DeadLetter as JSON. Nil: dead
	// letters stay in the queue.
	Dead Handler
	// Presence keeps track of devices and reports outages; the mux must have
	// WatchPresence. Nil: nothing is known of devices.
	Presence *Presence
	// Observer is told what happens, for metrics. Default: nobody.
	Observer Observer
	// Logger default: slog.Default().
	Logger *slog.Logger
	// LeaseTTL is how long the ingest lease outlives its holder. Default 10 s.
	LeaseTTL time.Duration
	// ClaimTTL is how long a batch stays with a worker that died. Default 8 s.
	ClaimTTL time.Duration
	// Sweep is how often each lane looks into the store without being told to.
	// Default 5 s.
	Sweep time.Duration
	// RetryMin and RetryMax bound the delay before a failed batch or append is
	// tried again; it doubles between them. Defaults 100 ms and 5 s.
	RetryMin, RetryMax time.Duration
	// Probe is how often a halted route tries its oldest batch. Default 5 s.
	Probe time.Duration
	// CallTimeout bounds each call of the queue. Default 5 s.
	CallTimeout time.Duration
	// ShutdownTimeout is how long handlers may go on after Run's ctx has ended.
	// Default 8 s.
	ShutdownTimeout time.Duration
}

func (c Config) withDefaults() Config {
	orElse(&c.Session, "broker")
	orElse(&c.LeaseTTL, 10*time.Second)
	orElse(&c.ClaimTTL, 8*time.Second)
	orElse(&c.Sweep, 5*time.Second)
	orElse(&c.RetryMin, 100*time.Millisecond)
	orElse(&c.RetryMax, 5*time.Second)
	orElse(&c.Probe, 5*time.Second)
	orElse(&c.CallTimeout, 5*time.Second)
	orElse(&c.ShutdownTimeout, 8*time.Second)
	if c.Door != nil {
		d := *c.Door
		orElse(&d.Grace, 120*time.Second)
		c.Door = &d
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	return c
}

func orElse[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// Router receives messages, stores them in the queue, acknowledges them, and
// runs the handlers of a mux on their batches. Several routers may share one
// queue: one of them reads the broker, all of them handle batches.
type Router struct {
	queue  Queue
	mux    *Mux
	config Config
	lanes  map[string]*lane // by queue
	ingest *ingest
}

// NewRouter wires a router and starts nothing. The mux must not change any more.
func NewRouter(queue Queue, mux *Mux, config Config) *Router {
	c := config.withDefaults()
	r := &Router{queue: queue, mux: mux, config: c, lanes: map[string]*lane{}}
	for _, route := range mux.Routes() {
		r.lanes[route.Queue()] = newLane(queue, route, mux.handler(route), c)
	}
	if c.Dead != nil {
		r.internal(QueueDead, DeadPolicy(), c.Dead)
	}
	if c.Presence != nil {
		r.addPresence(c.Presence)
	}
	if dead := r.lanes[QueueDead]; dead != nil {
		for _, l := range r.lanes {
			if l != dead {
				l.dead = dead
			}
		}
	}
	if c.Source != nil {
		r.ingest = newIngest(r)
	}
	return r
}

// internal makes the lane of an internal queue.
func (r *Router) internal(queue string, p Policy, h Handler) *lane {
	l := newLane(r.queue, &Route{Topics: []string{queue}, Policy: p.Resolve(), Concurrency: 1}, h, r.config)
	r.lanes[queue] = l
	return l
}

// holderName identifies this process among those that share a queue.
func holderName() string {
	host, _ := os.Hostname() // only for people; the random part is what counts
	return host + "-" + rand.Text()[:8]
}

// Queues returns the names of the queues that the router works on: one per
// route, in order of registration, then the internal ones.
func (r *Router) Queues() []string {
	names := make([]string, 0, len(r.lanes)+1)
	for _, route := range r.mux.Routes() {
		names = append(names, route.Queue())
	}
	internal := slices.DeleteFunc(slices.Sorted(maps.Keys(r.lanes)), func(name string) bool { return slices.Contains(names, name) })
	if r.config.Presence != nil {
		internal = append(internal, AccountPresence)
	}
	return append(names, internal...)
}

// Leading tells whether this router is the one that reads the broker, and is
// connected to it. Safe for concurrent use.
func (r *Router) Leading() bool { return r.ingest != nil && r.ingest.leading.Load() }

// Fault tells why this router neither reads the broker nor stands by for one
// that does; nil when it does. Safe for concurrent use.
func (r *Router) Fault() error {
	if r.ingest == nil {
		return nil
	}
	if fault := r.ingest.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// Run works until ctx ends and returns when every goroutine of it is gone. The
// order of the end: ingest appends and acknowledges what it holds, disconnects
// and gives the lease up, so that another router can go on; meanwhile the lanes
// claim nothing more and their handlers finish, at most ShutdownTimeout long,
// then their contexts end. Run always returns nil: faults are retried for ever.
func (r *Router) Run(ctx context.Context) error {
	handlers, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(r.config.ShutdownTimeout, cancel)
	})
	defer stop()

	var wg sync.WaitGroup
	if r.ingest != nil {
		wg.Go(func() { r.ingest.run(ctx) })
	}
	if r.config.Presence != nil && r.ingest != nil {
		wg.Go(func() { r.config.Presence.Keeper.Run(ctx) })
	}
	for _, l := range r.lanes {
		wg.Go(func() { l.run(ctx, handlers) })
	}
	wg.Go(func() { r.watch(ctx) })
	wg.Wait()
	return nil
}

// appended passes what an append did on to the lanes.
func (r *Router) appended(g *Group, receipt Receipt) {
	for i, part := range g.Parts {
		r.lanes[part.Queue].appended(receipt.Parts[i])
	}
	if l := r.lanes[QueueDead]; l != nil && len(g.Dead) > 0 {
		l.appended(receipt.Dead)
	}
	r.pushed(receipt.Presence)
}

// watch wakes the lanes when another router made a batch claimable.
func (r *Router) watch(ctx context.Context) {
	retry := backoff{min: r.config.RetryMin, max: r.config.RetryMax}
	for ctx.Err() == nil {
		err := r.queue.Watch(ctx, func(queue string) {
			retry.reset()
			if l := r.lanes[queue]; l != nil {
				l.signal()
			}
		})
		if ctx.Err() != nil {
			return
		}
		r.config.Logger.Debug("watch broke", "err", err)
		wait(ctx, retry.next())
		for _, l := range r.lanes { // hints may have been lost
			l.signal()
		}
	}
}
