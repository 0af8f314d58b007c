package bench

import (
	"context"
	"time"
)

// pace grants messages to the connections in turn, so that the run as a whole
// has the configured rate: message i is due i / rate after the start. It looks at
// the clock every millisecond and grants what is due by then.
func (g *generator) pace(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for granted := 0; granted < g.plan.messages; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		due := min(int(g.since().Seconds()*g.cfg.Rate)+1, g.plan.messages)
		for ; granted < due; granted++ {
			if err := g.conns[granted%len(g.conns)].grant(1); err != nil {
				return err
			}
		}
	}
	return nil
}

// due returns when message k of device d is due in a paced run.
func (g *generator) due(d, k int) time.Duration {
	return time.Duration(float64(k*g.plan.devices+d) / g.cfg.Rate * float64(time.Second))
}

// lagMax returns how far the run fell behind its schedule at most: the machine
// was busy, or a window was full. After publish.
func (g *generator) lagMax() time.Duration {
	var most time.Duration
	for _, c := range g.conns {
		most = max(most, c.lagMax)
	}
	return most
}
