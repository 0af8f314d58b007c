package apptest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/app"
	"sluice/gen/msg"
	"sluice/internal/testenv"
)

// Scripts runs testdata/script/*.txtar of the package under test, each with a
// subtest of its own. With update, golden files in them are written anew. Besides
// the commands of testscript and those that TestMain registers they may use:
//
//	exits N COMMAND ...           like exec, but wants exit status N
//	site [-door] [FILE]           start servers; sets CONFIG and, as host:port, BROKER and METRICS; FILE has
//	                              more of the configuration, in which variables are replaced; with -door
//	                              there is no broker, the routers listen at BROKER
//	router                        run a batch-router on them until the script ends
//	publish TOPIC DEVICE EPOCH T  send a reading
//	connect DEVICE                say that the device has connected
//	lwt DEVICE SECONDS            publish its last will, with this delay
//	becomes DEVICE STATE          wait until the router has the device in this state
//	receiver NAME STATUS          have the stub $RECEIVER/NAME answer so; it begins with 202
//	reported NAME REGEXP          wait until the stub has accepted what matches, and print all that it has
//	sql STATEMENT                 run it in the site's database
//	rows N TABLE                  wait until the table has N rows or more
//	stored N QUEUE                wait until N messages are stored and none waits
//	halted QUEUE                  wait until the route is halted
//	reword REGEXP TEXT            replace in the last standard output; for cmp with a golden file
func Scripts(t *testing.T, update bool) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			s := &stage{t: env.T().(testing.TB), stubs: receivers{statuses: map[string]int{}, bodies: map[string][]string{}}}
			env.Values[stageKey{}] = s
			server := httptest.NewServer(&s.stubs)
			env.Defer(server.Close)
			env.Setenv("RECEIVER", server.URL)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each command otherwise
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"reword":   reword,
			"site":     onStage((*stage).startSite),
			"router":   onStage((*stage).startRouter),
			"publish":  onStage((*stage).publish),
			"connect":  onStage((*stage).connect),
			"lwt":      onStage((*stage).lwt),
			"becomes":  onStage((*stage).becomes),
			"receiver": onStage((*stage).receiver),
			"reported": onStage((*stage).reported),
			"sql":      onStage((*stage).sql),
			"rows":     onStage((*stage).rows),
			"stored":   onStage((*stage).stored),
			"halted":   onStage((*stage).halted),
		},
	})
}

// stage is what one script has started.
type stage struct {
	t      testing.TB
	site   *Site
	router *Router
	stubs  receivers
}

type stageKey struct{}

// onStage makes a command of a script of a method.
func onStage(do func(*stage, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("no ! here")
		}
		do(ts.Value(stageKey{}).(*stage), ts, args)
	}
}

func (s *stage) startSite(ts *testscript.TestScript, args []string) {
	want := Site{Door: len(args) > 0 && args[0] == "-door"}
	if want.Door {
		args = args[1:]
	}
	if len(args) > 0 {
		want.Extra = os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	}
	s.site = New(s.t, want)
	ts.Setenv("CONFIG", s.site.Path())
	ts.Setenv("BROKER", s.site.Address())
	ts.Setenv("METRICS", s.site.Metrics)
}

func (s *stage) startRouter(*testscript.TestScript, []string) {
	s.router = s.site.Start(s.t, app.DefaultSinks())
	s.router.AwaitLeading(s.t)
}

func (s *stage) publish(ts *testscript.TestScript, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: publish TOPIC DEVICE EPOCH TEMP")
	}
	epoch, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	temp, err := strconv.ParseFloat(args[3], 32)
	ts.Check(err)
	s.site.Publish(s.t, args[0], Reading(args[1], epoch, float32(temp)))
}

func (s *stage) connect(ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: connect DEVICE")
	}
	s.tell(ts, sluice.TopicConnect, &msg.Connect{Device: args[0]})
}

func (s *stage) lwt(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: lwt DEVICE SECONDS")
	}
	delay, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	s.tell(ts, sluice.TopicWill, &msg.LWT{Device: args[0], Delay: delay})
}

func (s *stage) tell(ts *testscript.TestScript, topic string, m proto.Message) {
	payload, err := proto.Marshal(m)
	ts.Check(err)
	s.site.Publish(s.t, topic, payload)
}

func (s *stage) becomes(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: becomes DEVICE STATE")
	}
	testenv.Eventually(s.t, within, func() error {
		state, err := s.router.stateOf(s.t.Context(), args[0])
		if err == nil && state != args[1] {
			err = fmt.Errorf("%s is %s, not %s", args[0], state, args[1])
		}
		return err
	})
}

// stateOf looks for a device; the state of one that is not known is "".
func (r *Router) stateOf(ctx context.Context, device string) (string, error) {
	for cursor, begun := "", false; cursor != "" || !begun; begun = true {
		page, err := r.Devices(ctx, cursor)
		if err != nil {
			return "", err
		}
		for _, d := range page.Devices {
			if d.Device == device {
				return d.State, nil
			}
		}
		cursor = page.Next
	}
	return "", nil
}

func (s *stage) receiver(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: receiver NAME STATUS")
	}
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	s.stubs.answer(args[0], status)
}

func (s *stage) reported(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: reported NAME REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	testenv.Eventually(s.t, within, func() error {
		accepted := s.stubs.accepted(args[0])
		if !re.MatchString(accepted) {
			return fmt.Errorf("nothing that %s has accepted matches %s: %s", args[0], re, accepted)
		}
		return nil
	})
	_, err = io.WriteString(ts.Stdout(), s.stubs.accepted(args[0]))
	ts.Check(err)
}

// receivers are stubs of what reports are sent to. The first segment of a path is
// the name of one.
type receivers struct {
	mu       sync.Mutex
	statuses map[string]int
	bodies   map[string][]string // accepted, by name
}

// ServeHTTP implements http.Handler.
func (r *receivers) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	w.WriteHeader(r.take(name, string(body)))
}

// take returns the status to answer with, and keeps what is accepted.
func (r *receivers) take(name, body string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	status := cmp.Or(r.statuses[name], http.StatusAccepted)
	if status/100 == 2 {
		r.bodies[name] = append(r.bodies[name], body)
	}
	return status
}

func (r *receivers) answer(name string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses[name] = status
}

// accepted returns what a receiver has accepted, a line each.
func (r *receivers) accepted(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(append(r.bodies[name], ""), "\n")
}

func (s *stage) sql(ts *testscript.TestScript, args []string) {
	for _, statement := range args {
		s.site.Exec(s.t, statement)
	}
}

func (s *stage) rows(ts *testscript.TestScript, args []string) {
	n := number(ts, args)
	testenv.Eventually(s.t, within, func() error {
		if got := s.site.Count(s.t, "SELECT count(*) FROM "+args[1]); got < n {
			return fmt.Errorf("%s has %d rows, want %d", args[1], got, n)
		}
		return nil
	})
}

func (s *stage) stored(ts *testscript.TestScript, args []string) {
	s.router.AwaitStored(s.t, args[1], number(ts, args))
}

func (s *stage) halted(ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: halted QUEUE")
	}
	s.router.AwaitAccount(s.t, args[0], func(q sluice.QueueStatus) bool { return q.Halted != "" })
}

// number returns the first of two arguments.
func number(ts *testscript.TestScript, args []string) int64 {
	if len(args) != 2 {
		ts.Fatalf("want two arguments, got %q", args)
	}
	n, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	return n
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND ...")
	}
	got, err := 0, ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("got exit status %d, want %s", got, args[0])
	}
}

// reword makes what differs from run to run constant.
func reword(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: reword REGEXP TEXT")
	}
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	text := re.ReplaceAllString(ts.ReadFile("stdout"), args[1])
	_, err = ts.Stdout().Write([]byte(text))
	ts.Check(err)
}
