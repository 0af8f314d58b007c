package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxDials bounds how many connections are opened at the same moment.
const maxDials = 64

// generator publishes the messages of a plan over one connection per device.
type generator struct {
	cfg   Config
	plan  *plan
	conns []*conn

	start      time.Time
	ackLatency histogram
	acked      atomic.Int64
	unrouted   atomic.Int64
}

// since returns the time since the start of the run, at least 1 ns.
func (g *generator) since() time.Duration { return max(time.Since(g.start), 1) }

// refill returns how much room a window must have before it is filled again. At
// full speed half of it, so that a write carries many messages; in a paced run
// whatever there is.
func (g *generator) refill(window int) int {
	if g.cfg.Rate > 0 {
		return 1
	}
	return max(window/2, 1)
}

// connect opens all connections, or none when it fails.
func (g *generator) connect(ctx context.Context) error {
	g.conns = make([]*conn, g.plan.devices)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxDials)
	for d := range g.conns {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if g.conns[d], err = g.open(ctx, d); err != nil {
				return fmt.Errorf("connect %s: %w", deviceName(d), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		g.closeAll()
		return err
	}
	return nil
}

// closeAll cuts all connections; safe for concurrent use.
func (g *generator) closeAll() {
	for _, c := range g.conns {
		if c != nil {
			_ = c.socket.Close() // cut on purpose
		}
	}
}

// publish publishes everything over the open connections and returns when the
// last PUBACK is there, or with the first error. The connections are closed.
func (g *generator) publish(ctx context.Context) error {
	defer g.closeAll()
	group, ctx := errgroup.WithContext(ctx)
	published := make(chan struct{})
	group.Go(func() error { return g.watch(ctx, published) })
	group.Go(func() error {
		defer close(published)
		return g.transmit(ctx)
	})
	return group.Wait()
}

func (g *generator) transmit(ctx context.Context) error {
	stop := context.AfterFunc(ctx, g.closeAll)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	g.start = time.Now()
	for _, c := range g.conns {
		group.Go(func() error { return g.serve(ctx, c) })
	}
	if g.cfg.Rate > 0 {
		group.Go(func() error { return g.pace(ctx) })
	}
	return group.Wait()
}

// serve is the life of one connection after its handshake.
func (g *generator) serve(ctx context.Context, c *conn) error {
	// The first error ends the others, which may be waiting for the broker.
	stop := context.AfterFunc(ctx, func() { _ = c.socket.Close() })
	defer stop()
	err := g.feed(c)
	if err == nil {
		err = c.read()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", deviceName(c.d), err)
	}
	_ = c.close() // everything is acknowledged: nothing depends on it
	return nil
}

// feed grants everything at once, unless the pacer grants.
func (g *generator) feed(c *conn) error {
	if g.cfg.Rate > 0 {
		return nil
	}
	return c.grant(g.plan.count(c.d))
}

// errStall is wrapped when nothing moves any more.
var errStall = errors.New("no progress")

// watch keeps the connections alive and returns an error when no PUBACK came for
// longer than the configured stall.
func (g *generator) watch(ctx context.Context, published <-chan struct{}) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	every := g.pingEvery()
	lastAcked, lastMove, lastPing := int64(-1), time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-published:
			return nil
		case <-tick.C:
		}
		now := time.Now()
		if acked := g.acked.Load(); acked != lastAcked {
			lastAcked, lastMove = acked, now
		} else if now.Sub(lastMove) > g.cfg.Stall {
			return fmt.Errorf("%w: no PUBACK for %v, %d of %d messages acknowledged", errStall, g.cfg.Stall, acked, g.plan.messages)
		}
		if now.Sub(lastPing) > every {
			lastPing = now
			g.pingAll()
		}
	}
}

// pingEvery is a third of the shortest keepalive.
func (g *generator) pingEvery() time.Duration {
	shortest := keepAlive
	for _, c := range g.conns {
		if c.allow.keepAlive > 0 {
			shortest = min(shortest, c.allow.keepAlive)
		}
	}
	return time.Duration(shortest) * time.Second / 3
}

// pingAll leaves errors to the readers, and connections that are done alone.
func (g *generator) pingAll() {
	for _, c := range g.conns {
		_ = c.ping()
	}
}

// refused returns the indexes of the messages that the broker refused, after
// publish.
func (g *generator) refused() map[int]bool {
	all := map[int]bool{}
	for _, c := range g.conns {
		for _, index := range c.refused {
			all[index] = true
		}
	}
	return all
}

// sampled returns when, since the start, the message with the given index was
// written; false when it was not among those timed.
func (g *generator) sampled(index int) (time.Duration, bool) {
	d, k := index/g.plan.stride, index%g.plan.stride
	if k%g.plan.sampleStep != 0 {
		return 0, false
	}
	return g.conns[d].samples[k/g.plan.sampleStep], true
}

// window returns how many messages a connection really had in flight: the
// configured number, or less if the broker allows less.
func (g *generator) window() int { return g.conns[0].allow.inFlight }
