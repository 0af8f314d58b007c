package systemdtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/app"
	"sluice/config"
)

// units is the folder of the units.
const units = "../../deploy/systemd"

// maxExposure is that of `systemd-analyze security`, times ten: 20 is 2.0, of 10.
const maxExposure = "20"

// long are the units that run for ever.
func long() []string {
	return []string{"sluice-api.service", "sluice-batch-router.service", "sluice-clock.service", "sluice-device.service", "sluice-up.service"}
}

// programs finds the path of a program in a line that runs it.
var programs = regexp.MustCompile(`(?m)^(#?Exec[A-Za-z]+=\+?)(/\S+)`)

// offered finds the settings that a unit offers in comments.
var offered = regexp.MustCompile(`(?m)^#([A-Z][A-Za-z]+=)`)

// readUnits returns the units by name.
func readUnits(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(units, "sluice-*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = string(text)
	}
	for _, name := range append(long(), "sluice-certs-renew.service", "sluice-certs-renew.timer") {
		if all[name] == "" {
			t.Errorf("no unit %s", name)
		}
	}
	return all
}

// install writes the units to a folder, each program with a path at which there is one,
// and returns the path of each.
func install(t *testing.T, all map[string]string) map[string]string {
	t.Helper()
	dir, paths := t.TempDir(), map[string]string{}
	for name, text := range all {
		text = programs.ReplaceAllStringFunc(text, func(line string) string {
			m := programs.FindStringSubmatch(line)
			program := filepath.Join(dir, filepath.Base(m[2]))
			writeFile(t, program, []byte("#!/bin/sh\n"))
			if err := os.Chmod(program, 0o755); err != nil {
				t.Fatal(err)
			}
			return m[1] + program
		})
		paths[name] = writeFile(t, filepath.Join(dir, name), []byte(text))
	}
	return paths
}

// analyze runs systemd-analyze without anybody's systemd.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%v: run `make deps`, or `apt-get install -y systemd` as root", err)
	}
	return string(out), err
}

// A warning counts as a fault.
func TestUnits_AreRight(t *testing.T) {
	t.Parallel()
	all := readUnits(t)
	everything := map[string]string{}
	for name, text := range all {
		everything[name] = offered.ReplaceAllString(text, "$1")
	}
	if everything["sluice-certs-renew.service"] == all["sluice-certs-renew.service"] {
		t.Error("the unit that renews certificates offers nothing")
	}
	for what, texts := range map[string]map[string]string{"as they are": all, "with all that is offered": everything} {
		for name, path := range install(t, texts) {
			if out, err := analyze(t, "verify", "--man=no", path); err != nil || out != "" {
				t.Errorf("%s, %s: %v\n%s", name, what, err, out)
			}
		}
	}
}

func TestUnits_ExposeLittle(t *testing.T) {
	t.Parallel()
	for name, path := range install(t, readUnits(t)) {
		if !strings.HasSuffix(name, ".service") {
			continue
		}
		if out, err := analyze(t, "security", "--no-pager", "--offline=true", "--threshold="+maxExposure, path); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// What is promised of every service that runs for ever.
func TestUnits_RunForEver(t *testing.T) {
	t.Parallel()
	all := readUnits(t)
	for _, name := range long() {
		lines := strings.Split(all[name], "\n")
		for _, want := range []string{
			"After=network-online.target", "Wants=network-online.target", "StartLimitIntervalSec=0",
			"Type=notify", "TimeoutStartSec=infinity", "WatchdogSec=30", "Restart=on-failure",
			fmt.Sprintf("RestartPreventExitStatus=%d %d", app.ExitUsage, app.ExitConfig), "TimeoutStopSec=20",
			"DynamicUser=yes", "WantedBy=multi-user.target",
		} {
			if !slices.ContainsFunc(lines, func(line string) bool { return line == want || strings.HasPrefix(line, want+" ") }) {
				t.Errorf("%s: no line %s", name, want)
			}
		}
	}
}

// configuration is one that all services can run with.
const configuration = `facility: plant-1
broker: {url: "mqtt://127.0.0.1", user: router}
queue: {redis: {url: "redis://127.0.0.1", user: router}}
store: {postgres: {url: "postgres://${PGUSER:-router}@127.0.0.1/sluice"}}
`

// The services read what the units give them: flags, variables and credentials.
func TestUnits_GiveWhatTheServicesRead(t *testing.T) {
	t.Parallel()
	all := readUnits(t)
	for _, name := range long() {
		dir := t.TempDir()
		path := writeFile(t, filepath.Join(dir, "sluice.yaml"), []byte(configuration))
		u := parseUnit(t, all[name], dir)
		if args := strings.Join(u.args, " "); !strings.HasSuffix(args, "-config /etc/sluice/sluice.yaml") {
			t.Errorf("%s: got arguments %s, want the configuration among them", name, args)
		}
		options := app.UpConfig(app.DefaultSinks(), app.UpOptions{Listen: app.UpListen})
		if u.program != "sluice" {
			options = services()[u.program].options
		}
		c, err := config.Load(path, u.env, options...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Admin != "/run/sluice/admin.sock" {
			t.Errorf("%s: got %s for the admin socket", name, c.Admin)
		}
		dsn, err := url.Parse(c.Store.Postgres.DSN().Reveal())
		if err != nil {
			t.Fatal(err)
		}
		database, _ := dsn.User.Password()
		for what, got := range map[string]string{"broker": c.Broker.Password.Reveal(), "redis": c.Queue.Redis.Password.Reveal(), "postgres": database} {
			if given := u.credentials[what]; given != (got == what) {
				t.Errorf("%s: %s is a credential: %t; the service has it: %t", name, what, given, !given)
			}
		}
	}
}

// unit is what a unit gives to its process.
type unit struct {
	program     string // its last element
	args        []string
	env         []string
	credentials map[string]bool // each a file whose content is its name
}

// parseUnit makes the credentials in dir.
func parseUnit(t *testing.T, text, dir string) unit {
	t.Helper()
	u := unit{credentials: map[string]bool{}}
	specifiers := strings.NewReplacer("%d", dir, "%t", "/run", "%S", "/var/lib")
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = specifiers.Replace(value); key {
		case "ExecStart":
			words := strings.Fields(value)
			u.program, u.args = filepath.Base(words[0]), words[1:]
		case "Environment":
			u.env = append(u.env, value)
		case "LoadCredential":
			name, source, _ := strings.Cut(value, ":")
			if filepath.Base(source) != name || !strings.HasPrefix(source, "/etc/sluice/secrets/") {
				t.Errorf("credential %s is of %s", name, source)
			}
			u.credentials[name] = true
			writeFile(t, filepath.Join(dir, name), []byte(name+"\n"))
		}
	}
	return u
}
