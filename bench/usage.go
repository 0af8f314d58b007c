package bench

import (
	"context"
	"os"
	"time"
)

// memoryEvery is the time between two looks at the memory of the processes.
const memoryEvery = time.Second

// Usage is what a run cost one program.
type Usage struct {
	Name string `json:"name"`
	PIDs []int  `json:"pids"`
	// CPU is in seconds, CPUPerMessage in microseconds per message of the run.
	CPU           float64 `json:"cpu_s"`
	CPUPerMessage float64 `json:"cpu_us_per_message"`
	// PeakMemory is the largest resident memory seen during the run, in bytes: of
	// several processes the private pages of all and the shared ones of the
	// largest. Seen every second; exact for a single process that has grown.
	PeakMemory int64 `json:"peak_memory_bytes"`
	// Error says why there are no figures, else "".
	Error string `json:"error,omitempty"`
}

// gauge measures one program. Its methods are not called concurrently, but
// sample may be while stop is.
type gauge struct {
	Process
	alone  bool // this process, without children that it may have
	before time.Duration
	used   time.Duration
	err    error

	single    bool  // at the start it was a single process
	highWater int64 // of a single process, at the start
	peak      int64
}

// meter measures all programs of a run, this process among them.
type meter struct {
	gauges []*gauge
	// except returns the database sessions of our own.
	except func() []int
}

func newMeter(processes []Process, except func() []int) *meter {
	m := &meter{except: except}
	for _, p := range processes {
		m.gauges = append(m.gauges, &gauge{Process: p})
	}
	self := Process{Name: "bench", PIDs: []int{os.Getpid()}}
	m.gauges = append(m.gauges, &gauge{Process: self, alone: true})
	return m
}

// begin notes the state before the run.
func (m *meter) begin() {
	all := m.processes()
	for _, g := range m.gauges {
		members := g.members(all)
		if g.single = len(members) == 1; g.single {
			memory, _ := readMemory(members[0]) // an error shows in cpu
			g.highWater = memory.peak
		}
		g.before, g.err = g.cpu(m.except())
	}
}

// watch looks at the memory until ctx ends.
func (m *meter) watch(ctx context.Context) {
	timer := time.NewTicker(memoryEvery)
	defer timer.Stop()
	for {
		all := m.processes()
		for _, g := range m.gauges {
			g.peak = max(g.peak, resident(g.members(all)))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// processes is empty when only this process is measured.
func (m *meter) processes() processes {
	if len(m.gauges) == 1 {
		return nil
	}
	return readProcesses()
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
func (m *meter) result(messages int) []Usage {
	var all []Usage
	for _, g := range m.gauges {
		u := Usage{Name: g.Name, PIDs: g.PIDs}
		if g.err != nil {
			u.Error = g.err.Error()
		} else {
			u.CPU, u.PeakMemory = g.used.Seconds(), g.peakMemory()
			u.CPUPerMessage = g.used.Seconds() * 1e6 / float64(messages)
		}
		all = append(all, u)
	}
	return all
}

// cpu returns the time of the program's processes and their descendants.
func (g *gauge) cpu(except []int) (total time.Duration, err error) {
	if g.alone {
		return ProcCPU(g.PIDs[0])
	}
	for _, pid := range g.PIDs {
		t, err := TreeCPU(pid, except...)
		if err != nil {
			return 0, err
		}
		total += t
	}
	return total, nil
}

// members returns the program's living processes.
func (g *gauge) members(all processes) []int {
	if g.alone {
		return g.PIDs
	}
	var members []int
	for _, pid := range g.PIDs {
		members = append(members, all.family(pid)...)
	}
	return members
}

// peakMemory prefers the kernel's own peak, when that is of this run.
func (g *gauge) peakMemory() int64 {
	if g.single {
		if m, err := readMemory(g.PIDs[0]); err == nil && m.peak > g.highWater {
			return m.peak
		}
	}
	return g.peak
}

// resident returns the memory in use now, without processes that are gone.
func resident(pids []int) int64 {
	var private, shared int64
	for _, pid := range pids {
		if m, err := readMemory(pid); err == nil {
			private += m.private
			shared = max(shared, m.shared)
		}
	}
	return private + shared
}
