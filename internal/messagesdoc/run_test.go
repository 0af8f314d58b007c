package messagesdoc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
)

// within bounds every wait: far more than a slow machine needs.
const within = time.Minute

// Every sh block that needs no mqttx ends well and prints what the page says; what is
// published becomes the row, the outage and the dead letters that it shows.
func TestDocs_EveryBlockRuns(t *testing.T) {
	w := newWorld(t)
	var open *session
	ran := 0
	for i, b := range docs(t) {
		if b.info != "sh" {
			continue
		}
		ran++
		ok := t.Run(fmt.Sprintf("%02d %s", i, b.section), func(t *testing.T) {
			if b.background() {
				open = w.open(t, b)
				return
			}
			w.run(t, b)
			open.end(t)
			open = nil
		})
		if !ok {
			break // what follows rests on it
		}
	}
	if ran < 15 && !t.Failed() {
		t.Errorf("ran %d blocks", ran)
	}
}

// world is a broker with a router and a database, and a folder to work in.
type world struct {
	t    *testing.T
	site *apptest.Site
	dir  string
	port string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	// The broker's log tells when somebody has subscribed.
	broker := testenv.Mosquitto(t, testenv.Config("log_type subscribe"))
	w := &world{t: t, site: apptest.New(t, apptest.Site{Broker: broker}), dir: t.TempDir()}
	w.site.Start(t, app.DefaultSinks()).AwaitLeading(t)
	var err error
	_, w.port, err = net.SplitHostPort(broker.Addr())
	must(t, err)
	proto, err := filepath.Abs(top + "/proto")
	must(t, err)
	must(t, os.Symlink(proto, filepath.Join(w.dir, "proto")))
	return w
}

// command is a block as a reader of the page would run it.
func (w *world) command(ctx context.Context, b block) *exec.Cmd {
	code := strings.ReplaceAll(b.code, "-p 1883", "-p "+w.port)
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", code)
	cmd.Dir, cmd.WaitDelay = w.dir, time.Second
	cmd.Env = append(os.Environ(), "ROWS="+w.site.Database)
	return cmd
}

// run runs a block to its end, again and again where it asks what takes a moment.
func (w *world) run(t *testing.T, b block) {
	t.Helper()
	once := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		out, err := w.command(ctx, b).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w:\n%s\n%s", err, b.code, out)
		}
		if want := b.missing(string(out)); want != "" {
			return fmt.Errorf("%q is not printed by:\n%s\n%s", want, b.code, out)
		}
		return nil
	}
	if b.asks() {
		if len(b.wants) == 0 {
			t.Errorf("it asks and wants nothing: %s", b.code)
		}
		testenv.Eventually(t, within, once)
		return
	}
	must(t, once())
}

// session is a block in the second terminal.
type session struct {
	block

	out  *strings.Builder // whole when done is closed
	done chan error
}

// open starts a block in the background, and returns when it has subscribed.
func (w *world) open(t *testing.T, b block) *session {
	t.Helper()
	before := w.subscriptions(t, b.filter())
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	s := &session{block: b, out: &strings.Builder{}, done: make(chan error, 1)}
	cmd := w.command(ctx, b)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.done <- cmd.Wait()
	}()
	w.t.Cleanup(func() { cancel(); <-ended })
	testenv.Eventually(t, within, func() error {
		if w.subscriptions(t, b.filter()) == before {
			return errors.New("nobody has subscribed to " + b.filter())
		}
		return nil
	})
	return s
}

// subscriptions is how often the broker was asked for a filter.
func (w *world) subscriptions(t *testing.T, filter string) int {
	t.Helper()
	log, err := os.ReadFile(w.site.Broker.LogPath())
	must(t, err)
	return strings.Count(string(log), " 1 "+filter+"\n")
}

// end waits for the block to end, and checks what it has printed.
func (s *session) end(t *testing.T) {
	t.Helper()
	if s == nil {
		return
	}
	err := <-s.done
	if want := s.missing(s.out.String()); want != "" || err != nil && len(s.wants) > 0 {
		t.Errorf("%v, %q is not printed by:\n%s\n%s", err, want, s.code, s.out)
	}
}
