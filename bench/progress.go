package bench

import (
	"context"
	"fmt"
	"io"
	"time"
)

// report shows until ctx ends how far the run is.
func (b *Bench) report(ctx context.Context, seen *visibility) {
	last := int64(0)
	eachInterval(ctx, b.cfg.Progress, func(every time.Duration) {
		acked := b.gen.acked.Load()
		b.show(acked, float64(acked-last)/every.Seconds(), seen)
		last = acked
	})
}

// eachInterval calls show until ctx ends: every second for a line of a terminal,
// which it clears in the end, else every 10 s.
func eachInterval(ctx context.Context, terminal io.Writer, show func(every time.Duration)) {
	every := 10 * time.Second
	if terminal != nil {
		every = time.Second
		defer fmt.Fprint(terminal, "\r\x1b[K") // leave no trace
	}
	timer := time.NewTicker(every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			show(every)
		}
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
