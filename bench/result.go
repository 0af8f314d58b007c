package bench

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Result is the outcome of a run. Its JSON names are stable.
type Result struct {
	// Run is the random number of the run, as in bench.keyless.run.
	Run      uint64  `json:"run"`
	Devices  int     `json:"devices"`
	Messages int     `json:"messages"`
	Rate     float64 `json:"rate"` // asked for; 0: full speed
	Window   int     `json:"window"`
	Protocol string  `json:"protocol"`
	Topic    string  `json:"topic"`
	Keyless  bool    `json:"keyless"`
	// BaseEpoch is the epoch of every device's first reading.
	BaseEpoch int64 `json:"base_epoch,omitempty"`

	Publish Publish `json:"publish"`
	// Rows is nil when no database was given.
	Rows *Rows `json:"rows,omitempty"`
	// RowLatency is from PUBLISH to visible row; nil without a database and in a
	// keyless run.
	RowLatency *Latency `json:"row_latency,omitempty"`
	// Usage has the processes of the configuration, then this one as "bench".
	Usage []Usage `json:"usage"`
}

// Publish is the publishing side of a run.
type Publish struct {
	// Acked counts PUBACKs with success; with Refused and Unrouted they are all
	// messages.
	Acked int64 `json:"acked"`
	// Refused counts PUBACKs with an error; these messages need not be rows.
	Refused int64 `json:"refused"`
	// Unrouted counts PUBACKs that say that nobody has subscribed. The message is
	// lost, and its row missing.
	Unrouted int64 `json:"unrouted"`
	// Seconds is from the first PUBLISH to the last PUBACK.
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	// LagMax is how late a message of a paced run was written at most.
	LagMax float64 `json:"lag_max_ms"`
	// AckLatency is from PUBLISH to PUBACK.
	AckLatency *Latency `json:"ack_latency,omitempty"`
}

// OK tells whether every message that the broker took is exactly one right row.
// Without a database there is nothing to object to.
func (r *Result) OK() bool {
	return r.Rows == nil || r.Rows.Missing == 0 && r.Rows.Duplicate == 0 && r.Rows.Wrong == 0
}

// WriteTable writes the result for people.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.writeRun(t)
	r.writeRows(t)
	fmt.Fprintln(t)
	fmt.Fprintln(t, "process\tus of CPU per message\tCPU s\tpeak MiB")
	for _, u := range r.Usage {
		if u.Error != "" {
			fmt.Fprintf(t, "%s\t%s\n", u.Name, u.Error)
			continue
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.1f\n", u.Name, u.CPUPerMessage, u.CPU, float64(u.PeakMemory)/(1<<20))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.writeVerdict(w)
}

func (r *Result) writeRun(t io.Writer) {
	speed := "full speed"
	if r.Rate > 0 {
		speed = strconv.FormatFloat(r.Rate, 'f', -1, 64) + " msg/s"
	}
	fmt.Fprintf(t, "run\t%d messages, %d devices, %s, window %d, MQTT %s, %s\n",
		r.Messages, r.Devices, speed, r.Window, r.Protocol, r.Topic)
	p := r.Publish
	fmt.Fprintf(t, "published\t%d acked in %.2f s, %.0f msg/s\n", p.Acked, p.Seconds, p.PerSecond)
	if p.Refused > 0 || p.Unrouted > 0 {
		fmt.Fprintf(t, "not taken\t%d refused, %d without a subscriber\n", p.Refused, p.Unrouted)
	}
	if r.Rate > 0 {
		fmt.Fprintf(t, "behind schedule\tat most %.1f ms\n", p.LagMax)
	}
	writeLatency(t, "publish to PUBACK", p.AckLatency)
}

func (r *Result) writeRows(t io.Writer) {
	if r.Rows == nil {
		fmt.Fprintln(t, "rows\tnot checked: no database given")
		return
	}
	writeLatency(t, "publish to row", r.RowLatency)
	fmt.Fprintf(t, "rows\t%d of %d in %.2f s, %.0f rows/s\n", r.Rows.Found, r.Rows.Expected, r.Rows.Seconds, r.Rows.PerSecond)
	fmt.Fprintf(t, "\t%d missing, %d duplicate, %d wrong\n", r.Rows.Missing, r.Rows.Duplicate, r.Rows.Wrong)
	for _, kind := range []string{"missing", "duplicate", "wrong"} {
		if e := r.Rows.Examples[kind]; len(e) > 0 {
			fmt.Fprintf(t, "\t%s: %q\n", kind, e)
		}
	}
	if ids := r.Rows.IDs; ids != nil {
		fmt.Fprintf(t, "entry ids\t%d to %d, %d gaps, %d out of order\n", ids.First, ids.Last, ids.Gaps, ids.OutOfOrder)
	}
}

func writeLatency(t io.Writer, name string, l *Latency) {
	if l != nil {
		fmt.Fprintf(t, "%s\tp50 %.1f ms, p99 %.1f ms, max %.1f ms (%d samples)\n", name, l.P50, l.P99, l.Max, l.Count)
	}
}

func (r *Result) writeVerdict(w io.Writer) error {
	verdict := "ok"
	if !r.OK() {
		verdict = "FAILED: rows are missing, doubled or wrong"
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict)
	return err
}
