package apptest

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice"
	"sluice/app"
	"sluice/internal/testenv"
)

// Scripts runs testdata/script/*.txtar of the package under test, each with a
// subtest of its own. With update, golden files in them are written anew. Besides
// the commands of testscript and those that TestMain registers they may use:
//
//	exits N COMMAND ...           like exec, but wants exit status N
//	site                          start servers; sets CONFIG and, as host:port, BROKER and METRICS
//	router                        run a batch-router on them until the script ends
//	publish TOPIC DEVICE EPOCH T  send a reading
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
			env.Values[stageKey{}] = &stage{t: env.T().(testing.TB)}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"reword":  reword,
			"site":    onStage((*stage).startSite),
			"router":  onStage((*stage).startRouter),
			"publish": onStage((*stage).publish),
			"sql":     onStage((*stage).sql),
			"rows":    onStage((*stage).rows),
			"stored":  onStage((*stage).stored),
			"halted":  onStage((*stage).halted),
		},
	})
}

// stage is what one script has started.
type stage struct {
	t      testing.TB
	site   *Site
	router *Router
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

func (s *stage) startSite(ts *testscript.TestScript, _ []string) {
	s.site = New(s.t, Site{})
	ts.Setenv("CONFIG", s.site.Path())
	ts.Setenv("BROKER", s.site.Broker.Addr())
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
