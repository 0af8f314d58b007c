package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// How long a server may take to answer after its start (recovery of a killed
// PostgreSQL included) and to exit after a signal, and how often both are looked
// at. Generous: two busy cores are slow, and a fault shows at once in other ways.
const (
	startWithin = 60 * time.Second
	stopWithin  = 60 * time.Second
	lookEvery   = 3 * time.Millisecond
)

// kind is one sort of server: how it is configured, called and asked.
type kind interface {
	// name is a short word for paths and messages.
	name() string
	// prepare writes configuration and data into in.dir, once.
	prepare(ctx context.Context, in *Instance) error
	// command returns the arguments, the binary first, and its user (nil: ours).
	command(in *Instance) ([]string, *account, error)
	// ping speaks one handshake with the server; nil when it serves.
	ping(ctx context.Context, in *Instance) error
	// url is what clients are configured with.
	url(addr string) string
	// stopSignal ends the server in order, without waiting for its clients.
	stopSignal() syscall.Signal
}

// Instance is one server on its own port and data directory. It keeps both over
// any number of starts. It runs no goroutine. All methods are safe for
// concurrent use; each waits for the one before.
type Instance struct {
	kind kind
	dir  string
	opts options
	port *port

	mu   sync.Mutex // guards proc
	proc *process   // nil when it does not run
}

// launch prepares a server in dir, which must exist, and starts it.
func launch(ctx context.Context, k kind, dir string, opts []Option) (*Instance, error) {
	p, err := reservePort()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.name(), err)
	}
	in := &Instance{kind: k, dir: dir, port: p}
	for _, opt := range opts {
		opt(&in.opts)
	}
	err = k.prepare(ctx, in)
	if err == nil {
		err = in.Start(ctx)
	}
	if err != nil {
		p.release()
		return nil, fmt.Errorf("%s: %w", k.name(), err)
	}
	return in, nil
}

// Addr returns host:port.
func (in *Instance) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(in.port.number))
}

// URL returns what a client is configured with: mqtt://, redis:// or postgres://.
func (in *Instance) URL() string { return in.kind.url(in.Addr()) }

// PID returns the server's process id, 0 when it does not run.
func (in *Instance) PID() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.proc == nil {
		return 0
	}
	return in.proc.pid
}

// PIDs returns the process ids of the server and its children, the server
// first; none when it does not run.
func (in *Instance) PIDs() []int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.proc == nil {
		return nil
	}
	return append([]int{in.proc.pid}, descendants(in.proc.pid)...)
}

// LogPath returns the file that takes the server's output over all its starts.
func (in *Instance) LogPath() string { return filepath.Join(in.dir, in.kind.name()+".log") }

// LogTail returns the last 40 lines of the log.
func (in *Instance) LogTail() string {
	text, err := os.ReadFile(in.LogPath())
	if err != nil {
		return err.Error()
	}
	return tail(string(text), 40)
}

// Start starts the server and returns when it answers. It is an error when the
// server runs already, exits, or does not answer within 60 s.
func (in *Instance) Start(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.proc != nil && !in.proc.exited() {
		return errors.New("start: runs already")
	}
	argv, as, err := in.kind.command(in)
	if err != nil {
		return err
	}
	in.proc, err = startProcess(argv, as, in.LogPath())
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if err := in.awaitReady(ctx); err != nil {
		_ = in.kill() // the cause is what matters
		return fmt.Errorf("start: %w\n%s", err, in.LogTail())
	}
	return nil
}

// awaitReady returns when the server answers a handshake.
func (in *Instance) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return poll(ctx, func() (bool, error) {
		if in.proc.exited() {
			return false, errors.New("the server exited")
		}
		err := in.kind.ping(ctx, in)
		return err == nil, nil
	})
}

// Stop sends sig and returns when the server has exited, which it must within
// 60 s. A paused server is resumed, or it would not see the signal. Nothing
// happens when it does not run.
func (in *Instance) Stop(sig syscall.Signal) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.proc == nil {
		return nil
	}
	if sig == syscall.SIGKILL {
		return in.kill()
	}
	_ = in.proc.signal(sig) // an error means that it has exited
	_ = in.proc.signalAll(syscall.SIGCONT)
	return in.awaitExit(nil)
}

// Kill ends the server and its children with SIGKILL, as a power cut would, and
// returns when they are gone. Nothing happens when it does not run.
func (in *Instance) Kill() error { return in.Stop(syscall.SIGKILL) }

// kill stops the parent first, so that it starts no child that would be missed.
func (in *Instance) kill() error {
	_ = in.proc.signal(syscall.SIGSTOP)
	children := descendants(in.proc.pid)
	_ = in.proc.signal(syscall.SIGKILL)
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return in.awaitExit(children)
}

// awaitExit returns when the server and the given children are gone.
func (in *Instance) awaitExit(children []int) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		return in.proc.exited() && !anyAlive(children), nil
	})
	if err != nil {
		return fmt.Errorf("%s: stop: still there: %w", in.kind.name(), err)
	}
	in.proc = nil
	return nil
}

// Pause stops the server and its children with SIGSTOP.
func (in *Instance) Pause() error { return in.signalAll("pause", syscall.SIGSTOP) }

// Resume lets a paused server continue.
func (in *Instance) Resume() error { return in.signalAll("resume", syscall.SIGCONT) }

func (in *Instance) signalAll(verb string, sig syscall.Signal) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.proc == nil || in.proc.exited() {
		return fmt.Errorf("%s: %s: does not run", in.kind.name(), verb)
	}
	if err := in.proc.signalAll(sig); err != nil {
		return fmt.Errorf("%s: %s: %w", in.kind.name(), verb, err)
	}
	return nil
}

// Close stops the server in order, by force if that takes too long, and gives
// its port free. The data stay. The instance cannot be started again.
func (in *Instance) Close() error {
	err := in.Stop(in.kind.stopSignal())
	if err != nil {
		err = errors.Join(err, in.Kill())
	}
	in.port.release()
	return err
}

// poll calls done now and then until it is true or fails, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
