package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ is 100 on every
// platform that Go runs on.
const tick = 10 * time.Millisecond

// procStat is what /proc/PID/stat tells of a process [proc(5)].
type procStat struct {
	parent int
	// own is its user and system time, reaped that of its children which have
	// ended and were waited for, with theirs.
	own, reaped time.Duration
}

// readStat reads /proc/PID/stat. It is an error when the process is gone.
func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procStat{}, fmt.Errorf("process %d: %w", pid, err)
	}
	s, err := parseStat(text)
	if err != nil {
		return s, fmt.Errorf("process %d: %w", pid, err)
	}
	return s, nil
}

// parseStat reads the fields behind the command's name, which may itself hold
// blanks and parentheses.
func parseStat(text []byte) (procStat, error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return procStat{}, fmt.Errorf("stat has %d fields behind the name, want 15 or more", len(fields))
	}
	var n [15]int64
	for _, i := range []int{1, 11, 12, 13, 14} { // ppid, utime, stime, cutime, cstime
		v, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return procStat{}, fmt.Errorf("stat: %w", err)
		}
		n[i] = v
	}
	return procStat{
		parent: int(n[1]),
		own:    time.Duration(n[11]+n[12]) * tick,
		reaped: time.Duration(n[13]+n[14]) * tick,
	}, nil
}

// ProcCPU returns the user and system time that a process has used since it
// began, without its children, in steps of 10 ms. Linux only.
func ProcCPU(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	return s.own, err
}

// TreeCPU returns the user and system time of a process and all its descendants
// since they began: of the living by their own account, of those that have ended
// by that of the parent which waited for them. Between two calls nothing is lost
// or counted twice, as long as no parent ends before its child. The descendants named
// in except are left out; they must not end in between. Linux only.
func TreeCPU(pid int, except ...int) (time.Duration, error) {
	left := map[int]bool{}
	for _, pid := range except {
		left[pid] = true
	}
	if _, err := readStat(pid); err != nil {
		return 0, err
	}
	var total time.Duration
	for _, pid := range readProcesses().family(pid) {
		if left[pid] {
			continue
		}
		if s, err := readStat(pid); err == nil { // else it has just ended
			total += s.own + s.reaped
		}
	}
	return total, nil
}

// processes are the children of every process.
type processes map[int][]int

// readProcesses reads the whole of /proc, some 20 us per process.
func readProcesses() processes {
	all := processes{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return all // not Linux: every use finds the process missing
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			all[s.parent] = append(all[s.parent], pid)
		}
	}
	return all
}

// family returns a process and its living descendants.
func (p processes) family(root int) []int {
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, p[all[i]]...)
	}
	return all
}

// memory is the resident memory of a process in bytes.
type memory struct {
	private int64 // anonymous pages
	shared  int64 // pages of files and shared memory
	peak    int64 // largest sum of the two since the process began
}

// readMemory reads /proc/PID/status.
func readMemory(pid int) (memory, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return memory{}, fmt.Errorf("process %d: %w", pid, err)
	}
	var m memory
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			continue // a line of another kind
		}
		switch name {
		case "RssAnon":
			m.private = kib << 10
		case "RssFile", "RssShmem":
			m.shared += kib << 10
		case "VmHWM":
			m.peak = kib << 10
		}
	}
	return m, lines.Err()
}
