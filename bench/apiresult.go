package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// clientProcess is the name of the reading process: this one, or psql.
const clientProcess = "client"

// APIResult is the outcome of a run against an api. Its JSON names are stable.
type APIResult struct {
	Reads []APIRead `json:"reads"`
	// Readers and Stopped are nil when they were not asked for.
	Readers *APIReaders `json:"readers,omitempty"`
	Stopped *APIStopped `json:"stopped,omitempty"`
	// Memory has the processes of the configuration, then this one as "bench".
	Memory []APIMemory `json:"memory"`
}

// APIRead is one way to read.
type APIRead struct {
	Method string   `json:"method"`
	Rows   int64    `json:"rows"` // of the last run
	Runs   []APIRun `json:"runs"`
	// Fault says what was wrong with the rows, else "".
	Fault string `json:"fault,omitempty"`

	whole, copied bool
}

// APIRun is one reading.
type APIRun struct {
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"`
	// CPU is in microseconds per row, by process; "client" is the one that read.
	CPU map[string]float64 `json:"cpu_us_per_row"`
}

// APIReaders is how it went with many readers at once.
type APIReaders struct {
	Readers int `json:"readers"`
	// Slow is for how many seconds each read 5000 rows a second.
	Slow    float64 `json:"slow_s"`
	Rows    int64   `json:"rows"` // of all
	Seconds float64 `json:"seconds"`
	Fault   string  `json:"fault,omitempty"`

	faults []string
}

// APIStopped is how it went with readers that stopped.
type APIStopped struct {
	// Seconds is for how long.
	Seconds float64 `json:"seconds"`
	// Alone and Beside are of a reader that went on: before, and meanwhile.
	Alone  APIObserved `json:"alone"`
	Beside APIObserved `json:"beside"`
	// Rows are what those that had stopped got in the end.
	Rows  []int64 `json:"rows"`
	Fault string  `json:"fault,omitempty"`
}

// APIObserved is what a reader saw.
type APIObserved struct {
	PerSecond float64 `json:"per_second"`
	// Latency is of requests for one row, made meanwhile.
	Latency *Latency `json:"latency,omitempty"`
}

// APIMemory is the largest resident memory of a program during the run, as in
// Usage.
type APIMemory struct {
	Process string `json:"process"`
	Peak    int64  `json:"peak_bytes"`
	Error   string `json:"error,omitempty"`
}

// OK tells whether every stream had every row, in order.
func (r *APIResult) OK() bool { return len(r.faults()) == 0 }

func (r *APIResult) faults() (all []string) {
	note := func(what, fault string) {
		if fault != "" {
			all = append(all, what+": "+fault)
		}
	}
	for _, read := range r.Reads {
		note(read.Method, read.Fault)
	}
	if r.Readers != nil {
		note("readers", r.Readers.Fault)
	}
	if r.Stopped != nil {
		note("readers that stop", r.Stopped.Fault)
	}
	return all
}

// WriteTable writes the result for people: of several runs the median, and in
// parentheses the least and the most.
func (r *APIResult) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.writeReads(t)
	r.writeLoads(t)
	fmt.Fprintln(t, "\nprocess\tpeak MiB")
	for _, m := range r.Memory {
		if m.Error != "" {
			fmt.Fprintf(t, "%s\t%s\n", m.Process, m.Error)
			continue
		}
		fmt.Fprintf(t, "%s\t%.1f\n", m.Process, float64(m.Peak)/(1<<20))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.writeVerdict(w)
}

func (r *APIResult) writeReads(t io.Writer) {
	processes := r.processes()
	fmt.Fprintf(t, "us of CPU per row\trows\trows/s\t%s\n", strings.Join(processes, "\t"))
	for _, read := range r.Reads {
		perSecond := read.spread(func(run APIRun) float64 { return float64(run.Rows) / run.Seconds })
		fmt.Fprintf(t, "%s\t%d\t%s", read.Method, read.Rows, perSecond.format("%.0f"))
		for _, name := range processes {
			fmt.Fprintf(t, "\t%s", read.spread(func(run APIRun) float64 { return run.CPU[name] }).format("%.2f"))
		}
		fmt.Fprintln(t)
	}
}

// processes returns the names of those measured, the client last.
func (r *APIResult) processes() (names []string) {
	for _, m := range r.Memory[:len(r.Memory)-1] { // the last one is this process
		names = append(names, m.Process)
	}
	return append(names, clientProcess)
}

func (r *APIResult) writeLoads(t io.Writer) {
	if l := r.Readers; l != nil {
		fmt.Fprintf(t, "\n%d readers at once\t%d rows in %.1f s, each %d rows/s for the first %.0f s\n", l.Readers, l.Rows, l.Seconds, slowRows, l.Slow)
	}
	if s := r.Stopped; s != nil {
		fmt.Fprintf(t, "\n2 readers stop for %.0f s\tthen read on to row %d\n", s.Seconds, slices.Min(s.Rows))
		s.Alone.write(t, "another one before")
		s.Beside.write(t, "another one meanwhile")
	}
}

func (o APIObserved) write(t io.Writer, name string) {
	fmt.Fprintf(t, "%s\t%.0f rows/s\n", name, o.PerSecond)
	writeLatency(t, "  a request for one row", o.Latency)
}

func (r *APIResult) writeVerdict(w io.Writer) error {
	verdict := "ok: every stream had every row"
	if faults := r.faults(); len(faults) > 0 {
		verdict = "FAILED: " + strings.Join(faults, "\nFAILED: ")
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict)
	return err
}

// spread is a figure of several runs.
type spread struct{ least, median, most float64 }

func (r APIRead) spread(of func(APIRun) float64) spread {
	var all []float64
	for _, run := range r.Runs {
		all = append(all, of(run))
	}
	slices.Sort(all)
	return spread{all[0], all[len(all)/2], all[len(all)-1]}
}

// format writes a figure with verb.
func (s spread) format(verb string) string {
	text := fmt.Sprintf(verb, s.median)
	if s.least == s.most {
		return text
	}
	return text + fmt.Sprintf(" ("+verb+"-"+verb+")", s.least, s.most)
}
