package bench

import (
	"context"
	"fmt"
	"time"
)

// report shows until ctx ends how far the run is.
func (b *Bench) report(ctx context.Context, seen *visibility) {
	every := 10 * time.Second
	if b.cfg.Progress != nil {
		every = time.Second
	}
	timer := time.NewTicker(every)
	defer timer.Stop()
	last := int64(0)
	for {
		select {
		case <-ctx.Done():
			if b.cfg.Progress != nil {
				fmt.Fprint(b.cfg.Progress, "\r\x1b[K") // leave no trace
			}
			return
		case <-timer.C:
		}
		acked := b.gen.acked.Load()
		b.show(acked, float64(acked-last)/every.Seconds(), seen)
		last = acked
	}
}

// show writes one state: over the last line of a terminal or into the log.
func (b *Bench) show(acked int64, perSecond float64, seen *visibility) {
	var rows int64
	var err error
	if seen != nil {
		var newest mark
		newest, err = seen.last()
		rows = newest.rows
	}
	if b.cfg.Progress == nil {
		b.cfg.Logger.Info("progress", "messages", b.cfg.Messages, "acked", acked, "per_second", perSecond, "rows", rows, "err", err)
		return
	}
	fmt.Fprintf(b.cfg.Progress, "\r\x1b[K%d of %d acked, %.0f msg/s", acked, b.cfg.Messages, perSecond)
	if seen != nil {
		fmt.Fprintf(b.cfg.Progress, ", %d rows", rows)
	}
	if err != nil {
		fmt.Fprint(b.cfg.Progress, " (the database does not answer)")
	}
}
