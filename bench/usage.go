package bench

import (
	"context"
	"os"
	"time"
)

// memoryEvery is the time between two looks at the memory of the processes.
const memoryEvery = 500 * time.Millisecond

// Usage is what a run cost one program.
type Usage struct {
	Name string `json:"name"`
	PIDs []int  `json:"pids"`
	// CPU is in seconds, CPUPerMessage in microseconds per acknowledged message.
	CPU           float64 `json:"cpu_s"`
	CPUPerMessage float64 `json:"cpu_us_per_message"`
	// PeakMemory is the largest resident memory seen during the run, in bytes: of
	// several processes the private pages of all and the shared ones of the
	// largest. Seen every 500 ms; exact for a single process that has grown.
	PeakMemory int64 `json:"peak_memory_bytes"`
	// Error says why there are no figures, else "".
	Error string `json:"error,omitempty"`
}

// gauge measures one program. Only its meter's goroutine uses it, then end.
type gauge struct {
	Process
	before time.Duration
	used   time.Duration
	hwm    int64 // VmHWM at the start, of a single process
	peak   int64
	err    error
}

// meter measures all programs of a run, this process among them.
type meter struct {
	gauges []*gauge
	// except are database sessions of our own.
	except func() []int
}

func newMeter(processes []Process, except func() []int) *meter {
	m := &meter{except: except}
	for _, p := range processes {
		m.gauges = append(m.gauges, &gauge{Process: p})
	}
	m.gauges = append(m.gauges, &gauge{Process: Process{Name: "bench", PIDs: []int{os.Getpid()}}})
	return m
}

// begin notes the state before the run.
func (m *meter) begin() {
	for _, g := range m.gauges {
		g.before, g.err = g.cpu(m.except())
		g.hwm, _ = g.highWater()
	}
}

// watch looks at the memory until ctx ends.
func (m *meter) watch(ctx context.Context) {
	timer := time.NewTicker(memoryEvery)
	defer timer.Stop()
	for {
		for _, g := range m.gauges {
			g.peak = max(g.peak, g.resident())
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// stop notes the time used until now; a later call replaces an earlier one.
func (m *meter) stop() {
	for _, g := range m.gauges {
		now, err := g.cpu(m.except())
		if err != nil {
			g.err = err
			continue
		}
		g.used = now - g.before
	}
}

// result returns the usage after watch has returned.
func (m *meter) result(messages int64) []Usage {
	var all []Usage
	for _, g := range m.gauges {
		u := Usage{Name: g.Name, PIDs: g.PIDs}
		if g.err != nil {
			u.Error = g.err.Error()
			all = append(all, u)
			continue
		}
		if hwm, single := g.highWater(); single && hwm > g.hwm {
			g.peak = hwm // it grew during the run, so this is the run's peak
		}
		u.CPU, u.PeakMemory = g.used.Seconds(), g.peak
		if messages > 0 {
			u.CPUPerMessage = g.used.Seconds() * 1e6 / float64(messages)
		}
		all = append(all, u)
	}
	return all
}

// cpu returns the time of the program's processes and their descendants.
func (g *gauge) cpu(except []int) (total time.Duration, err error) {
	for _, pid := range g.PIDs {
		t, err := TreeCPU(pid, except...)
		if err != nil {
			return 0, err
		}
		total += t
	}
	return total, nil
}

// resident returns the memory in use now, without processes that are gone.
func (g *gauge) resident() int64 {
	var private, shared int64
	for _, root := range g.PIDs {
		for _, pid := range family(root) {
			if m, err := readMemory(pid); err == nil {
				private += m.private
				shared = max(shared, m.shared)
			}
		}
	}
	return private + shared
}

// highWater returns the peak of a program that is a single process.
func (g *gauge) highWater() (bytes int64, single bool) {
	if len(g.PIDs) != 1 || len(family(g.PIDs[0])) != 1 {
		return 0, false
	}
	m, err := readMemory(g.PIDs[0])
	return m.peak, err == nil
}
