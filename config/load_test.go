package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// minimal is the shortest file without faults.
const minimal = `facility: plant-1
broker: {url: mqtt://broker}
queue: {redis: {url: redis://redis}}
store: {postgres: {url: postgres://db/sluice}}
`

// mustLoad loads text as the file sluice.yaml.
func mustLoad(t testing.TB, text string, env []string, opts ...Option) *Config {
	t.Helper()
	c, err := newLoader("sluice.yaml", env, opts).load([]byte(text))
	if err != nil {
		t.Fatalf("load:\n%v", err)
	}
	return c
}

// faultsOf loads text as the file sluice.yaml and returns its faults, one per
// line.
func faultsOf(t testing.TB, text string, env []string, opts ...Option) string {
	t.Helper()
	c, err := newLoader("sluice.yaml", env, opts).load([]byte(text))
	if err == nil {
		return ""
	}
	var faults *Faults
	if !errors.As(err, &faults) || c != nil {
		t.Fatalf("got config %v and error %T, want none and *Faults", c, err)
	}
	return err.Error()
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_EveryFaultInOneRun(t *testing.T) {
	env := []string{
		"SLUICE_CLOK_INTERVAL=1s", "SLUICE_SHUTDOWN_TIMEOUT=soon", "SLUICE_ROUTES_0_SINK=sensor",
		"SLUICE_DEAD_PER_DEVICE=1000x", "SLUICE_SERVICE_HOST=10.0.0.1",
	}
	_, err := Load("testdata/terrible.yaml", env, Sinks("sensor"))
	if err == nil {
		t.Fatal("a terrible file loads")
	}
	const golden = "testdata/terrible.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, rerr := os.ReadFile(golden)
	if rerr != nil {
		t.Fatal(rerr)
	}
	if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
		t.Errorf("faults differ (-want +got; rewrite with -update):\n%s", diff)
	}
	if strings.Contains(err.Error(), "hunter") {
		t.Errorf("a fault shows a secret:\n%v", err)
	}
}

func TestLoad_Minimal_HasEveryDefault(t *testing.T) {
	got := mustLoad(t, minimal, nil)
	want := &Config{
		Facility: "plant-1",
		Broker:   Broker{URL: mustURL(t, "mqtt://broker"), ReceiveMaximum: 2000, SessionExpiry: 168 * time.Hour},
		Listen: Listen{
			MaxConnections: 100_000, MaxClients: 1_000_000, ConnectRate: 5000, ReceiveMaximum: 1000, MaxKeepAlive: time.Hour,
			SessionExpiry: 168 * time.Hour, SubscriberQueue: SubscriberQueue{Messages: 100, Bytes: 256 << 10, OnFull: "drop_oldest"},
		},
		Queue: Queue{Redis{URL: mustURL(t, "redis://redis"), Profile: "strict"}},
		Store: Store{Postgres{URL: mustURL(t, "postgres://db/sluice"), MaxConns: 8}},
		Routes: []Route{{
			Topics: []string{"data/sensor", "data/sensor/{device}"}, Sink: "sensor", Concurrency: 1, MaxPayload: sluice.MaxPayload,
		}},
		Presence: Presence{
			LWT: true, MinDelay: time.Second, MaxDelay: 168 * time.Hour, ReconnectGrace: 2 * time.Minute, MaxDevices: 1_000_000,
		},
		Notify:          []Notify{{Kind: "log", Name: "log", GroupWait: 500 * time.Millisecond, Timeout: 10 * time.Second}},
		Dead:            Dead{PerDevice: 1000, Keep: 720 * time.Hour},
		Gather:          30 * time.Millisecond,
		API:             API{GRPC: "127.0.0.1:3000", HTTP: "127.0.0.1:3001", MaxStreams: 100, SlowQuery: time.Second},
		Clock:           Clock{Interval: 10 * time.Second},
		Device:          Device{Count: 20, Prefix: "device-", Delay: 30 * time.Second},
		Admin:           "/run/sluice/admin.sock",
		Metrics:         Metrics{BatchRouter: ":9464", API: ":9465", Clock: ":9466", Device: ":9467"},
		ShutdownTimeout: 8 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestLoad_Route(t *testing.T) {
	c := mustLoad(t, minimal+`
routes:
  - topic: [data/door, "data/door/{device}"]
    batch: {max: 500, max_bytes: 64KiB, min: never, timeout: 250ms, linger: never}
    sink: door
    concurrency: 4
    max_payload: 1KiB
    silent_after: 1h
`, nil, Sinks("door"))
	want := []Route{{
		Topics: []string{"data/door", "data/door/{device}"}, Sink: "door", Concurrency: 4, MaxPayload: 1024, SilentAfter: time.Hour,
		Batch: Batch{Max: 500, MaxBytes: 64 << 10, Min: sluice.Never, Timeout: 250 * time.Millisecond, Linger: sluice.Never},
	}}
	if diff := cmp.Diff(want, c.Routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	policy := sluice.Policy{Max: 500, MaxBytes: 64 << 10, Min: -1, Timeout: 250 * time.Millisecond, Linger: -1}
	if diff := cmp.Diff(policy, c.Routes[0].Batch.Policy()); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

func TestLoad_Alias(t *testing.T) {
	c := mustLoad(t, minimal+`
routes:
  - {topic: a, sink: s, batch: &small {max: 7}}
  - {topic: b, sink: s, batch: *small}
`, nil)
	if got := c.Routes[1].Batch.Max; got != 7 {
		t.Errorf("aliased max: got %d, want 7", got)
	}
}

func TestLoad_SilentAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"0s": 0, "never": 0, "1s": time.Second, "7d": 168 * time.Hour} {
		c := mustLoad(t, minimal+"routes: [{topic: data/sensor, sink: sensor, silent_after: "+text+"}]\n", nil)
		if got := c.Routes[0].SilentAfter; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestLoad_Environment(t *testing.T) {
	secret := writeFile(t, "password", "hunter2\n")
	tests := []struct {
		name string
		env  []string
		get  func(*Config) any
		want any
	}{
		{"text", []string{"SLUICE_FACILITY=plant-2"}, func(c *Config) any { return c.Facility }, "plant-2"},
		{"duration", []string{"SLUICE_CLOCK_INTERVAL=1d"}, func(c *Config) any { return c.Clock.Interval }, 24 * time.Hour},
		{"integer", []string{"SLUICE_BROKER_RECEIVE_MAXIMUM=7"}, func(c *Config) any { return c.Broker.ReceiveMaximum }, 7},
		{"size", []string{"SLUICE_QUEUE_REDIS_MAX_BYTES=1GiB"}, func(c *Config) any { return c.Queue.Redis.MaxBytes }, int64(1 << 30)},
		{"bool", []string{"SLUICE_QUEUE_REDIS_ASSUME_DURABLE=true"}, func(c *Config) any { return c.Queue.Redis.AssumeDurable }, true},
		{"bool, false", []string{"SLUICE_PRESENCE_LWT=false"}, func(c *Config) any { return c.Presence.LWT }, false},
		{"presence", []string{"SLUICE_PRESENCE_MIN_DELAY=1m"}, func(c *Config) any { return c.Presence.MinDelay }, time.Minute},
		{"URL", []string{"SLUICE_QUEUE_REDIS_URL=redis://other:1"}, func(c *Config) any { return c.Queue.Redis.Address() }, "other:1"},
		{"address off", []string{"SLUICE_METRICS_CLOCK=off"}, func(c *Config) any { return c.Metrics.Clock }, ""},
		{"secret", []string{"SLUICE_BROKER_PASSWORD=p"}, func(c *Config) any { return c.Broker.Password.Reveal() }, "p"},
		{"secret's file", []string{"SLUICE_BROKER_PASSWORD_FILE=" + secret}, func(c *Config) any { return c.Broker.Password.Reveal() }, "hunter2"},
		{"the last of two", []string{"SLUICE_FACILITY=a", "SLUICE_FACILITY=b"}, func(c *Config) any { return c.Facility }, "b"},
		{"empty is not set", []string{"SLUICE_FACILITY="}, func(c *Config) any { return c.Facility }, "plant-1"},
		{"values are not expanded", []string{"SLUICE_BROKER_USER=${X}"}, func(c *Config) any { return c.Broker.User }, "${X}"},
		{"DEBUG", []string{"DEBUG=1"}, func(c *Config) any { return c.LogLevel().String() }, "DEBUG"},
		{"DEBUG of others", []string{"DEBUG=app:*"}, func(c *Config) any { return c.LogLevel().String() }, "INFO"},
		{"Kubernetes", []string{"SLUICE_CLOCK_PORT=tcp://10.0.0.1:80", "SLUICE_SERVICE_PORT_HTTP=80"}, func(c *Config) any { return c.Facility }, "plant-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.get(mustLoad(t, minimal, tt.env))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoad_EnvironmentReplacesWhatTheFileSays(t *testing.T) {
	text := strings.Replace(minimal, "mqtt://broker", `"${UNSET}", password_file: /no/such/file`, 1)
	c := mustLoad(t, text, []string{"SLUICE_BROKER_URL=mqtt://b:1", "SLUICE_BROKER_PASSWORD=p"})
	if got, want := c.Broker.Address()+" "+c.Broker.Password.Reveal(), "b:1 p"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_EnvironmentAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := Load("", []string{
		"SLUICE_FACILITY=f", "SLUICE_BROKER_URL=mqtt://b", "SLUICE_QUEUE_REDIS_URL=redis://r", "SLUICE_STORE_POSTGRES_URL=postgres://p/d",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Facility != "f" {
		t.Errorf("facility: got %q, want f", c.Facility)
	}
	_, err = Load("", nil, Only("facility"))
	want := "environment: facility: missing; set it here or SLUICE_FACILITY, for example plant-1"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLoad_DefaultPath(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(DefaultPath, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("", nil); err != nil {
		t.Error(err)
	}
}

func TestLoad_NoSuchFile(t *testing.T) {
	_, err := Load("nowhere.yaml", []string{"SLUICE_GATHER=x"})
	var faults *Faults
	if !errors.As(err, &faults) || !strings.HasPrefix(err.Error(), "nowhere.yaml: no such file") {
		t.Fatalf("got %v", err)
	}
	if len(faults.List) != 2 {
		t.Errorf("the fault of the environment is missing:\n%v", err)
	}
}

func TestLoad_RelativePathsStartAtTheFile(t *testing.T) {
	path := writeFile(t, "sluice.yaml", minimal+"admin: admin.sock\n")
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "admin.sock"); c.Admin != want {
		t.Errorf("admin: got %s, want %s", c.Admin, want)
	}
}

func TestLoad_OnlySomeSections(t *testing.T) {
	text := "facility: 1 2\nbroker: {url: mqtt://b}\nstore: {postgres: {url_file: /no/such}}\nclock: {interval: 1s}\n"
	c := mustLoad(t, text, []string{"SLUICE_STORE_POSTGRES_MAX_CONNS=x"}, Only("broker", "clock"))
	if c.Clock.Interval != time.Second {
		t.Errorf("interval: got %v, want 1s", c.Clock.Interval)
	}
	got := faultsOf(t, text+"stroe: 1\n", nil, Only("broker", "clock"))
	if want := "sluice.yaml:5: stroe: unknown key; did you mean store?"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOnly_UnknownKeyPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Only("brooker")
}

func TestLoad_Faults(t *testing.T) {
	tests := []struct {
		name, text string
		env        []string
		opts       []Option
		want       string
	}{
		{
			name: "STYLE's example", text: "routes:\n  - {topic: a, sink: sensor}\n  - topic: b\n    sink: sensor\n    batch:\n      max: 0\n",
			want: "sluice.yaml:10: routes[1].batch.max: 0 is not allowed; use 1 or more, or never",
		},
		{
			name: "section twice", text: "store: {postgres: {url: postgres://d/s, max_conns: 0}}\n",
			want: "sluice.yaml:5: store: is given twice, first on line 4; keep one",
		},
		{
			name: "not YAML", text: "clock: {interval: ${X}}\n",
			want: "sluice.yaml:5: not valid YAML: did not find expected ',' or '}'; quote values with ${...} or , inside { } and [ ]",
		},
		{
			name: "tab", text: "clock:\n\tinterval: 1s\n",
			want: "sluice.yaml:6: not valid YAML: a line begins with a tab; use spaces",
		},
		{
			name: "colon", text: "admin: a: b\n",
			want: "sluice.yaml:5: not valid YAML: mapping values are not allowed in this context; quote a value that contains a colon and a space",
		},
		{
			name: "alias instead of a secret", text: "admin: *hunter2\n",
			want: "sluice.yaml:5: not valid YAML: an alias without its anchor; quote a value that begins with * or &",
		},
		{
			name: "two documents", text: "---\nclock: {interval: 1s}\n",
			want: "sluice.yaml:5: a second document begins here; use one document, without ---",
		},
		{
			name: "section is a value", text: "clock: 5s\n",
			want: "sluice.yaml:5: clock: is a single value; keys and values are wanted here, like interval: ...",
		},
		{
			name: "handled topic without sink", text: "routes: [{topic: \"a/{x}\"}, {topic: b}]\n", opts: []Option{Sinks("sensor"), Handled("a/+")},
			want: "sluice.yaml:5: routes[1].sink: missing; use one of sensor",
		},
		{
			name: "handled topic with sink", text: "routes: [{topic: a, sink: sensor}]\n", opts: []Option{Sinks("sensor"), Handled("a")},
			want: "sluice.yaml:5: routes[0].sink: the program handles this topic itself; remove the sink",
		},
		{
			name: "no route at all", text: "", opts: []Option{Sinks("door")},
			want: "sluice.yaml: routes: there is no route; give at least one, with topic and sink",
		},
		{
			name: "user twice", text: "", env: []string{"SLUICE_BROKER_URL=mqtt://u:hunter2@b", "SLUICE_BROKER_USER=v", "SLUICE_BROKER_PASSWORD=hunter3"},
			want: "environment: SLUICE_BROKER_PASSWORD: the URL has a password too; keep one\nenvironment: SLUICE_BROKER_USER: the URL names a user too; keep one",
		},
		{
			name: "secret twice", text: "", env: []string{"SLUICE_BROKER_PASSWORD=hunter2", "SLUICE_BROKER_PASSWORD_FILE=/x"},
			want: "environment: SLUICE_BROKER_PASSWORD_FILE: SLUICE_BROKER_PASSWORD is set too; keep one",
		},
		{
			name: "device as a file", text: "", env: []string{"SLUICE_BROKER_PASSWORD_FILE=/dev/null"},
			want: `environment: SLUICE_BROKER_PASSWORD_FILE: "/dev/null" is not a regular file`,
		},
		{
			name: "TLS files without TLS", text: "", env: []string{"SLUICE_BROKER_CA=testdata/not-a-cert.txt"},
			want: "environment: SLUICE_BROKER_CA: has no effect; it needs an mqtts:// URL",
		},
		{
			name: "not a certificate", text: "", env: []string{"SLUICE_BROKER_URL=mqtts://b", "SLUICE_BROKER_CA=testdata/not-a-cert.txt"},
			want: `environment: SLUICE_BROKER_CA: "testdata/not-a-cert.txt": no certificate in PEM form in it`,
		},
		{
			name: "key without cert", text: "", env: []string{"SLUICE_STORE_POSTGRES_KEY=testdata/not-a-cert.txt"},
			want: "environment: SLUICE_STORE_POSTGRES_KEY: needs cert too",
		},
		{
			name: "port", text: "", env: []string{"SLUICE_BROKER_URL=mqtt://b:70000"},
			want: `environment: SLUICE_BROKER_URL: port "70000" is not allowed; use 1 to 65535`,
		},
		{
			name: "path of a broker", text: "", env: []string{"SLUICE_BROKER_URL=mqtt://b/x"},
			want: "environment: SLUICE_BROKER_URL: has a path or parameters; only scheme, user, password, host and port belong here",
		},
		{
			name: "queue too small", env: []string{"SLUICE_QUEUE_REDIS_MAX_BYTES=64KiB"},
			want: "environment: SLUICE_QUEUE_REDIS_MAX_BYTES: 65536 is too small for what is stored at once; use 4MiB or more, or 0 for 80 % of the server's maxmemory",
		},
		{
			name: "database of Redis", text: "", env: []string{"SLUICE_QUEUE_REDIS_URL=redis://b/x"},
			want: "environment: SLUICE_QUEUE_REDIS_URL: only the number of a database may follow the host, like redis://redis:6379/1",
		},
		{
			name: "metrics", text: "", env: []string{"SLUICE_METRICS_DEVICE=127.0.0.1:9466"},
			want: "environment: SLUICE_METRICS_DEVICE: port 9466 is also that of metrics.clock; give each its own",
		},
		{
			name: "no space after a colon", text: "admin: /a\ndevice: {password:hunter2}\n",
			want: "sluice.yaml:6: device.password: unknown key; a space is wanted after the colon",
		},
		{
			name: "variable without its section", text: "", env: []string{"SLUICE_REDIS_URL=x"},
			want: "environment: SLUICE_REDIS_URL: unknown variable; did you mean SLUICE_QUEUE_REDIS_URL?",
		},
		{
			name: "variable like no other", text: "", env: []string{"SLUICE_XYZ=x"},
			want: "environment: SLUICE_XYZ: unknown variable; the names are SLUICE_ and the path of a key, like SLUICE_CLOCK_INTERVAL",
		},
		{
			name: "jitter", text: "clock: {interval: 1s, jitter: 2s}\n",
			want: "sluice.yaml:5: clock.jitter: 2s is more than clock.interval 1s; use that or less",
		},
		{
			name: "limits of delays", text: "presence: {max_delay: 1m}\n", env: []string{"SLUICE_PRESENCE_MIN_DELAY=2m"},
			want: "environment: SLUICE_PRESENCE_MIN_DELAY: 2m is more than presence.max_delay 1m; use that or less",
		},
		{
			name: "silent without a device",
			text: "routes: [{topic: [\"a/{door}\", a], sink: door, silent_after: 1m}, {topic: b, silent_after: 1m}]\n",
			opts: []Option{Sinks("door"), Handled("b")},
			want: "sluice.yaml:5: routes[0].silent_after: no topic of this route has the level {device}, so the device cannot be known; name it so, like data/door/{device}\n" +
				"sluice.yaml:5: routes[1].silent_after: no topic of this route has the level {device}, so the device cannot be known; name it so, like data/door/{device}",
		},
		{
			name: "silent, and another fault first", text: "routes: [{topic: [\"a/{b\"], sink: s, silent_after: 1m}, {topic: b, silent_after: 1m}]\n",
			opts: []Option{Sinks("s")},
			want: "sluice.yaml:5: routes[0].topic[0]: topic filter \"a/{b\": level \"{b\": +, # and {name} must be a whole level, a name is a-z, 0-9 and _\n" +
				"sluice.yaml:5: routes[1].sink: missing; use one of s",
		},
		{
			name: "routes are no list", text: "routes: {topic: a}\n",
			want: "sluice.yaml:5: routes: is a mapping of keys; a list is wanted here",
		},
		{
			name: "routes without a value", text: "routes:\n",
			want: "sluice.yaml:5: routes: has no value; give a list or remove the key",
		},
		{
			name: "routes are empty", text: "routes: []\n",
			want: "sluice.yaml:5: routes: there is no route; give at least one, with topic and sink",
		},
		{
			name: "password twice in PostgreSQL", text: "", env: []string{"SLUICE_STORE_POSTGRES_URL=postgres://u:hunter2@d/s", "SLUICE_STORE_POSTGRES_PASSWORD=x"},
			want: "environment: SLUICE_STORE_POSTGRES_PASSWORD: the URL has a password too; keep one",
		},
		{
			name: "every fault of the environment beside broken YAML", text: "a: [\n", env: []string{"SLUICE_GATHER=-1s"},
			want: "sluice.yaml:6: not valid YAML: did not find expected node content\nenvironment: SLUICE_GATHER: -1s is not allowed; use 0s to 1s",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, minimal+tt.text, tt.env, tt.opts...)
			if strings.Contains(got, "hunter") {
				t.Errorf("a fault shows a secret: %s", got)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoad_NotFaults(t *testing.T) {
	tests := []struct {
		name, text string
		env        []string
	}{
		{"a user's topic below connect", "routes: [{topic: connect/a/b, sink: s}]\n", nil},
		{"the same metrics port on two hosts", "metrics: {clock: \"127.0.0.1:1\", device: \"127.0.0.2:1\"}\n", nil},
		{"any free port twice", "metrics: {clock: \":0\", device: \":0\"}\n", nil},
		{"a socket of PostgreSQL", "", []string{"SLUICE_STORE_POSTGRES_URL=postgres:///sluice?host=/run/postgresql"}},
		{"two hosts of PostgreSQL", "", []string{"SLUICE_STORE_POSTGRES_URL=postgres://a:1,b:2/sluice"}},
		{"a variable over the user of the URL", "", []string{"SLUICE_BROKER_USER=u"}},
		{"empty sections", "clock:\ndevice:\n", nil},
		{"silent with the device in the payload", "routes: [{topic: data/sensor, sink: sensor, silent_after: 1m}]\n", nil},
		{"limits of delays that are one", "presence: {min_delay: 5s, max_delay: 5s}\n", nil},
		{"a sealed batch by bytes only", "routes: [{topic: a, sink: s, batch: {max: never, timeout: never}}]\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mustLoad(t, strings.Replace(minimal, "mqtt://broker", "mqtt://x:y@broker", 1)+tt.text, tt.env)
		})
	}
}

func TestLoad_TakesUserAndPasswordOutOfTheURL(t *testing.T) {
	c := mustLoad(t, minimal, []string{"SLUICE_BROKER_URL=mqtt://u:p@b", "SLUICE_QUEUE_REDIS_URL=redis://:q@r/3"})
	got := []string{
		c.Broker.URL.Reveal(), c.Broker.User, c.Broker.Password.Reveal(), c.Broker.Address(),
		c.Queue.Redis.URL.Reveal(), c.Queue.Redis.User, c.Queue.Redis.Password.Reveal(), c.Queue.Redis.Address(),
	}
	want := []string{"mqtt://b", "u", "p", "b:1883", "redis://r/3", "", "q", "r:6379"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := c.Queue.Redis.DB(); got != 3 {
		t.Errorf("DB: got %d, want 3", got)
	}
}

func TestFaults_SortedByLine(t *testing.T) {
	_, err := Load("testdata/terrible.yaml", nil, Sinks("sensor"))
	var faults *Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %T, want *Faults", err)
	}
	line := 0
	for _, f := range faults.List {
		if f.Line < line {
			t.Errorf("line %d comes after line %d", f.Line, line)
		}
		line = f.Line
	}
}

func FuzzLoad(f *testing.F) {
	for _, path := range []string{"testdata/terrible.yaml", "example.yaml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]\nroutes: *a\n<<: *a"))
	f.Add([]byte("routes: &r [*r, {topic: *r}]\nclock: &c {interval: *c, *c : 1}"))
	f.Add([]byte("!!map {? [] : x, ~: y, 1: z}\n...\n---\n# \xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := newLoader("sluice.yaml", []string{"X=${Y}", "SLUICE_GATHER=" + string(data)}, []Option{Sinks("sensor")}).load(data)
		var faults *Faults
		if (c == nil) != errors.As(err, &faults) {
			t.Fatalf("got %v and %v", c, err)
		}
		if faults == nil {
			return
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") +
			strings.Count(string(data), "\u0085") + strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 2
		for _, fault := range faults.List {
			if fault.Line > lines || fault.Text == "" || strings.ContainsAny(fault.Path, "\n\r") {
				t.Errorf("odd fault %+v", fault)
			}
		}
	})
}
