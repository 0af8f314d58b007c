//go:build unix && !linux

package testenv

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent: there is no such signal here. Servers of a killed test process
// stay until somebody ends them.
func dieWithParent(*syscall.SysProcAttr) {}

// descendants returns the processes directly below pid: no server of ours goes
// deeper.
func descendants(pid int) []int {
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	if err != nil {
		return nil // none
	}
	var all []int
	for word := range strings.FieldsSeq(string(out)) {
		if child, err := strconv.Atoi(word); err == nil {
			all = append(all, child)
		}
	}
	return all
}

// alive reports whether pid exists.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
