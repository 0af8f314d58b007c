package benchenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// startWithin is how long a service may take until it is ready.
	startWithin = 30 * time.Second
	// stopWithin is how long it may take to end, above its own shutdown_timeout.
	stopWithin = 20 * time.Second
)

// Process is a service in a process of its own.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan error // gets the result of Wait, once
}

// Start starts argv and returns when ready returns nil, which it asks until then.
// The log goes to standard error. End it with Stop.
func Start(ctx context.Context, argv []string, ready func(context.Context) error) (*Process, error) {
	// Not killed with ctx: it is to end in order.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	// An interrupt from the terminal is for us: we end it when we have ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (build it with `make build`)", err)
	}
	p := &Process{name: filepath.Base(argv[0]), cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	if err := p.await(ctx, ready); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.name, errors.Join(ctx.Err(), err))
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("%s has ended", p.name)
		case <-tick.C:
		}
	}
}

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process in order, by force if that takes too long.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case err := <-p.done:
		return err
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		return errors.Join(fmt.Errorf("%s had to be killed", p.name), <-p.done)
	}
}
