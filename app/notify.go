package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

const (
	// firstLook and slowestLook are the pauses between two questions whether a process
	// is ready yet: they double.
	firstLook   = 50 * time.Millisecond
	slowestLook = 2 * time.Second
	// lookAgain is how often it is asked whether a process that was ready still is.
	lookAgain = 5 * time.Second
	// lookTimeout bounds a question.
	lookTimeout = 5 * time.Second
	// maxStatus bounds the line of status, in bytes.
	maxStatus = 300
)

// vitals answer how this process is. Both are called at once, each by one goroutine;
// nil is good.
type vitals struct {
	// ready: it serves, or stands by for one that does.
	ready func(context.Context) error
	// alive: it answers. It asks no other server.
	alive func(context.Context) error
}

// supervised calls run, and tells the service manager how the process is meanwhile, if
// one has asked for it with NOTIFY_SOCKET (sd_notify(3)): READY=1 once, when it is
// ready; WATCHDOG=1 twice in WATCHDOG_USEC while it is alive; STOPPING=1 when ctx or run
// ends, whichever is first; STATUS= with each, and when that changes. It returns what run
// returned, after the last word.
func supervised(ctx context.Context, v vitals, log *slog.Logger, run func(context.Context) error) error {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return run(ctx)
	}
	s := &supervision{vitals: v, log: log}
	serving, served := context.WithCancel(ctx)
	running, ended := context.WithCancel(context.WithoutCancel(ctx)) // it is alive while it ends, too
	var told sync.WaitGroup
	told.Go(func() { s.report(serving) })
	told.Go(func() { s.watch(running, serving) })
	err := run(ctx)
	served()
	ended()
	told.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		s.tell("STATUS=" + status("ended: ", err))
	}
	return err
}

// supervision is what is told of one run.
type supervision struct {
	vitals

	log   *slog.Logger
	quiet sync.Once
}

// report tells what becomes of the process until ctx ends, and then that it ends.
func (s *supervision) report(ctx context.Context) {
	defer s.tell(daemon.SdNotifyStopping + "\nSTATUS=stopping")
	ready, last, pause := false, "", firstLook
	for {
		err := ask(ctx, lookTimeout, s.ready)
		if ctx.Err() != nil {
			return
		}
		line := "STATUS=" + statusOf(ready, err)
		switch {
		case err == nil && !ready:
			ready, pause = true, lookAgain
			s.tell(daemon.SdNotifyReady + "\n" + line)
		case line != last:
			s.tell(line)
		}
		last = line
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if !ready {
			pause = min(2*pause, slowestLook)
		}
	}
}

// watch tells that the process is alive, twice in the time in which the service manager
// wants to hear it, until ctx ends. It says nothing while the process is not. That is
// logged, except before it has begun to serve and when serving is over: then it is right.
func (s *supervision) watch(ctx, serving context.Context) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("no watchdog", "err", err)
	}
	if limit <= 0 {
		return
	}
	begun := false
	every(ctx, limit/2, func() {
		switch err := ask(ctx, limit/2, s.alive); {
		case err == nil:
			begun = true
			s.tell(daemon.SdNotifyWatchdog)
		case begun && serving.Err() == nil:
			s.log.Warn("the process does not answer itself: the watchdog is not told", "err", err)
		}
	})
}

// tell sends a message. One that cannot be sent is logged the first time.
func (s *supervision) tell(message string) {
	if _, err := daemon.SdNotify(false, message); err != nil {
		s.quiet.Do(func() { s.log.Warn("the service manager cannot be told", "err", err) })
	}
}

// ask bounds a question.
func ask(ctx context.Context, within time.Duration, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return question(ctx)
}

// statusOf is the line for people, of a process that has been ready or not.
func statusOf(ready bool, err error) string {
	switch {
	case err == nil:
		return "ready"
	case ready:
		return status("not ready: ", err)
	}
	return status("starting: ", err)
}

// status is one line of text, at most maxStatus bytes of UTF-8.
func status(what string, err error) string {
	line := what + oneLine(err.Error())
	return strings.ToValidUTF8(line[:min(len(line), maxStatus)], "")
}
