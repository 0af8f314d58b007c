// Package logs writes reports to the log of the process.
package logs

import (
	"context"
	"fmt"
	"log/slog"

	"sluice/notify"
)

// maxNames is how many devices of a kind a record names; the rest is counted.
const maxNames = 200

// Receiver is a notify.Sender. Safe for concurrent use.
type Receiver struct{ log *slog.Logger }

// New returns a receiver that writes to log at level warn; nil is nowhere.
func New(log *slog.Logger) *Receiver {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Receiver{log}
}

// Limit implements notify.Sender: there is none.
func (r *Receiver) Limit() int { return 0 }

// Send implements notify.Sender. It never fails: slog does not tell.
func (r *Receiver) Send(ctx context.Context, p *notify.Part) error {
	report := p.Report
	attrs := []slog.Attr{slog.String("report", p.ID), slog.String("facility", report.Facility), slog.String("text", p.Text)}
	var down, back []string
	for _, o := range report.Outages {
		if o.Back.IsZero() {
			down = append(down, o.Device)
		} else {
			back = append(back, o.Device)
		}
	}
	attrs = add(attrs, "down", down)
	attrs = add(attrs, "flapping", names(report.Flapping, func(f notify.Flap) string { return f.Device }))
	attrs = add(attrs, "back", append(back, names(report.Recoveries, func(b notify.Recovery) string { return b.Device })...))
	attrs = add(attrs, "steady", names(report.Steady, func(s notify.Steady) string { return s.Device }))
	if report.Test {
		r.log.LogAttrs(ctx, slog.LevelWarn, "test of the outage reports", attrs...)
		return nil
	}
	r.log.LogAttrs(ctx, slog.LevelWarn, "outage report", attrs...)
	return nil
}

func names[T any](list []T, name func(T) string) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = name(v)
	}
	return all
}

// add adds the names as an attribute, unless there are none.
func add(attrs []slog.Attr, key string, names []string) []slog.Attr {
	switch n := len(names); {
	case n == 0:
		return attrs
	case n > maxNames:
		names = append(names[:maxNames:maxNames], fmt.Sprintf("and %d more", n-maxNames))
	}
	return append(attrs, slog.Any(key, names))
}
