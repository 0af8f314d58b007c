package testenv

import (
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
)

// account is the user that a server runs as.
type account struct {
	uid, gid uint32
}

// process is a started server. It is reaped by exited, not by a goroutine, so
// that a server shared by all tests of a process leaks none.
type process struct {
	pid  int
	gone atomic.Bool
}

// startProcess runs argv in a process group of its own (an interrupt from the
// terminal is for the program, which then stops its servers in order), with its
// output at the end of the file log.
func startProcess(argv []string, as *account, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	none, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer none.Close()
	attr := &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(attr)
	if as != nil {
		attr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid}
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir:   "/",
		Env:   append(os.Environ(), "LC_ALL=C"),
		Files: []uintptr{none.Fd(), out.Fd(), out.Fd()},
		Sys:   attr,
	})
	if err != nil {
		return nil, &os.PathError{Op: "exec", Path: argv[0], Err: err}
	}
	return &process{pid: pid}, nil
}

// exited reports whether the process has ended, and reaps it.
func (p *process) exited() bool {
	if p.gone.Load() {
		return true
	}
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(p.pid, &status, syscall.WNOHANG, nil)
	if pid == p.pid || errors.Is(err, syscall.ECHILD) {
		p.gone.Store(true)
	}
	return p.gone.Load()
}

// signal sends sig to the process unless it has ended: its id may be another's
// by then.
func (p *process) signal(sig syscall.Signal) error {
	if p.exited() {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.pid, sig)
}

// signalAll sends sig to the process, then to its children.
func (p *process) signalAll(sig syscall.Signal) error {
	if err := p.signal(sig); err != nil {
		return err
	}
	for _, pid := range descendants(p.pid) {
		_ = syscall.Kill(pid, sig) // it may have ended since
	}
	return nil
}

// anyAlive reports whether one of the processes runs.
func anyAlive(pids []int) bool { return slices.ContainsFunc(pids, alive) }
