package integration

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// root is the checkout, as seen from this package.
const root = "../.."

// tag keeps the images apart from those of an installation.
const tag = "integration"

// patience bounds one command: a build on a slow machine takes minutes.
const patience = 10 * time.Minute

// stack is a compose project of its own. One goroutine uses it.
type stack struct {
	t       *testing.T
	profile string // broker or door
	dir     string // of secrets, passwords and configuration
	env     []string
	api     string // host:port of gRPC
	began   time.Time
}

// newStack prepares a project, with secrets, and starts nothing. In the end nothing of it
// is left.
func newStack(t *testing.T, profile string) *stack {
	s := &stack{t: t, profile: profile, dir: t.TempDir(), api: testenv.Address(t), began: time.Now()}
	files := root + "/compose.yaml:" + root + "/internal/integration/testdata/compose.yaml"
	s.env = append(os.Environ(),
		"COMPOSE_PROJECT_NAME=sluice-it-"+profile, "COMPOSE_FILE="+absolute(t, files), "COMPOSE_PROFILES="+profile+",metrics,test",
		"SLUICE_SECRETS="+filepath.Join(s.dir, "secrets"), "PASSWORDS="+filepath.Join(s.dir, "passwords"),
		"SLUICE_CONFIG="+s.configuration("sluice"), "SLUICE_DOOR_CONFIG="+s.configuration("door"),
		"MQTT_PORT="+testenv.Address(t), "MQTT_PORTS="+freePair(t), "API_GRPC_PORT="+s.api, "API_HTTP_PORT="+testenv.Address(t),
		"PULSE_INTERVAL=2s", "SLUICE_TAG="+tag,
	)
	t.Cleanup(s.remove)
	s.compose("down", "--volumes", "--remove-orphans") // what an earlier run was kept from removing
	s.t.Log(strings.TrimSpace(s.script("scripts/secrets.sh")))
	return s
}

// configuration copies one of deploy/compose, with the receiver of the test.
func (s *stack) configuration(name string) string {
	text, err := os.ReadFile(filepath.Join(root, "deploy/compose", name+".yaml"))
	must(s.t, err)
	text = append(text, "\nnotify:\n  - {kind: webhook, url: \"http://receiver:8080/outages\"}\n"...)
	path := filepath.Join(s.dir, name+".yaml")
	must(s.t, os.WriteFile(path, text, 0o644))
	return path
}

// compose runs docker compose and returns what it printed; a failure ends the test.
func (s *stack) compose(args ...string) string {
	s.t.Helper()
	return s.script("scripts/compose.sh", args...)
}

func (s *stack) script(path string, args ...string) string {
	s.t.Helper()
	out, err := s.run(path, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", path, strings.Join(args, " "), err, out)
	}
	return out
}

// run runs a program of the checkout, or docker, in the environment of the project.
func (s *stack) run(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
	if strings.Contains(program, "/") {
		program = "./" + program
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = root, s.env, 10*time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String() + said.String(), err
	}
	return out.String(), nil
}

// docker runs docker; a failure ends the test.
func (s *stack) docker(args ...string) string {
	s.t.Helper()
	out, err := s.run("docker", args...)
	if err != nil {
		s.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// remove takes the project away and checks that nothing is left.
func (s *stack) remove() {
	if s.t.Failed() {
		out, _ := s.run("scripts/compose.sh", "logs", "--no-color", "--tail", "60")
		s.t.Logf("the end of all logs:\n%s", out)
	}
	s.compose("down", "--volumes", "--remove-orphans")
	label := "label=com.docker.compose.project=sluice-it-" + s.profile
	for _, what := range [][]string{{"ps", "--all"}, {"volume", "ls"}, {"network", "ls"}} {
		if left := s.docker(append(what, "--quiet", "--filter", label)...); left != "" {
			s.t.Errorf("docker %s: left behind: %s", what[0], left)
		}
	}
	// The secrets belong to the users of the services.
	s.docker("run", "--rm", "--user", "0:0", "--network", "none", "--volume", s.dir+":/dir", "--entrypoint", "rm",
		"redis:7", "-rf", "/dir/secrets")
}

// containers returns the names of the running containers of services, of all without any.
func (s *stack) containers(services ...string) []string {
	s.t.Helper()
	ids := strings.Fields(s.compose(append([]string{"ps", "--quiet"}, services...)...))
	var names []string
	for line := range strings.SplitSeq(strings.TrimSpace(s.docker(append([]string{"inspect", "--format", "{{.State.Running}} {{.Name}}"}, ids...)...)), "\n") {
		if name, running := strings.CutPrefix(line, "true /"); running {
			names = append(names, name)
		}
	}
	return names
}

// awaitHealthy waits until containers are healthy, or run if they have no health check.
func (s *stack) awaitHealthy(containers ...string) {
	s.t.Helper()
	testenv.Eventually(s.t, 2*time.Minute, func() error {
		out, err := s.run("docker", append([]string{
			"inspect", "--format",
			"{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}",
		}, containers...)...)
		if err != nil {
			return err
		}
		for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
			if _, status, _ := strings.Cut(line, " "); status != "healthy" && status != "running" {
				return errors.New(line)
			}
		}
		return nil
	})
}

// addUsers adds users of MQTT as an operator does, and leaves their passwords for a fleet.
func (s *stack) addUsers(prefix string, count int) {
	s.t.Helper()
	out := s.compose("run", "--rm", "-T", "users", "add", "--json", "--prefix", prefix, "--count", fmt.Sprint(count))
	var added struct {
		Users []struct{ Name, Password string }
	}
	if err := json.Unmarshal([]byte(out), &added); err != nil || len(added.Users) != count {
		s.t.Fatalf("users add: %v, %d of %d users", err, len(added.Users), count)
	}
	dir := filepath.Join(s.dir, "passwords")
	must(s.t, os.MkdirAll(dir, 0o755))
	for _, u := range added.Users {
		must(s.t, os.WriteFile(filepath.Join(dir, u.Name), []byte(u.Password), 0o644))
	}
}

// secrets returns every file of the folder of secrets by its name in there.
func (s *stack) secrets() map[string][]byte {
	s.t.Helper()
	archive := s.docker("run", "--rm", "--user", "0:0", "--network", "none", "--volume", s.dir+"/secrets:/secrets:ro",
		"--entrypoint", "tar", "redis:7", "-C", "/secrets", "-cf", "-", ".")
	files := map[string][]byte{}
	for r := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(s.t, err)
		data, err := io.ReadAll(r)
		must(s.t, err)
		if header.Typeflag == tar.TypeReg {
			files[strings.TrimPrefix(header.Name, "./")] = data
		}
	}
}

// view is what the API tells, as testdata/look.py prints it.
type view struct {
	Rows    map[string]int    // by device
	Doubled int               // rows with a device and epoch that another has
	IDs     bool              // the entry ids are 1 to n, in order
	Devices map[string]string // states
	Outages []string          // devices, sorted
}

// sum is how many rows the devices have whose names begin so.
func (v view) sum(prefix string) (rows int) {
	for device, n := range v.Rows {
		if strings.HasPrefix(device, prefix) {
			rows += n
		}
	}
	return rows
}

// look asks the API from outside: through the published port, with a reader's certificate.
func (s *stack) look() (v view, err error) {
	python, err := s.run("scripts/python.sh")
	if err != nil {
		return v, fmt.Errorf("%w: %s", err, python)
	}
	dir := filepath.Join(s.dir, "secrets/analyst")
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, strings.TrimSpace(python), "internal/integration/testdata/look.py")
	cmd.Dir, cmd.WaitDelay = root, 10*time.Second
	cmd.Env = append(s.env, "PYTHONPATH=python", "PYTHONDONTWRITEBYTECODE=1", "no_proxy=127.0.0.1",
		"SLUICE_TARGET="+s.api, "SLUICE_CA="+dir+"/ca.crt", "SLUICE_CERT="+dir+"/tls.crt", "SLUICE_KEY="+dir+"/tls.key")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return v, fmt.Errorf("%w: %s", err, said.String())
	}
	return v, json.Unmarshal(out, &v)
}

// await looks until ok is content, and returns what it saw.
func (s *stack) await(ok func(view) error) (v view) {
	s.t.Helper()
	testenv.Eventually(s.t, 2*time.Minute, func() (err error) {
		if v, err = s.look(); err != nil {
			return err
		}
		return ok(v)
	})
	return v
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freePair returns a range of two ports that nobody listens on, for two replicas.
func freePair(t testing.TB) string {
	t.Helper()
	for range 100 {
		first := testenv.Address(t)
		_, number, err := net.SplitHostPort(first)
		must(t, err)
		port, err := strconv.Atoi(number)
		must(t, err)
		if second, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1)); err == nil {
			second.Close()
			return fmt.Sprintf("%s-%d", first, port+1)
		}
	}
	t.Fatal("no two free ports side by side")
	return ""
}

// absolute makes the paths of a list absolute.
func absolute(t testing.TB, list string) string {
	t.Helper()
	paths := strings.Split(list, ":")
	for i := range paths {
		path, err := filepath.Abs(paths[i])
		must(t, err)
		paths[i] = path
	}
	return strings.Join(paths, ":")
}
