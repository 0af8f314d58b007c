package config

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

func TestShow_LoadsAgain(t *testing.T) {
	text := minimal + `
admin: "/tmp/$${x}"
metrics: {clock: off}
presence: {lwt: false, min_delay: 1m}
notify:
  - {kind: groupme, bot_id: '[redacted]', group_wait: 10s}
  - {kind: webhook, name: "1", url: "https://example.com:444", timeout: 5m}
  - {kind: log}
routes:
  - {topic: "123", sink: s}
  - topic: [a, "b/{c}/{device}"]
    sink: s
    batch: {max: 5, max_bytes: 3KiB, min: never, timeout: 1500ms, linger: 1d}
    silent_after: 90s
`
	want := mustLoad(t, text, []string{"SLUICE_BROKER_USER=yes", "SLUICE_QUEUE_REDIS_MAX_BYTES=10000000"})
	var shown bytes.Buffer
	if err := want.Show(&shown); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, mustLoad(t, shown.String(), nil)); diff != "" {
		t.Errorf("(-before +after):\n%s\n%s", diff, shown.String())
	}
	if strings.Contains(shown.String(), "password") {
		t.Errorf("an absent password is shown:\n%s", shown.String())
	}
}

func TestExample_Loads(t *testing.T) {
	got := mustLoad(t, Example(), nil, Sinks("sensor"))
	want := Default()
	want.Facility = "plant-1"
	want.Broker.URL = mustURL(t, "mqtt://127.0.0.1:1883")
	want.Queue.Redis.URL = mustURL(t, "redis://127.0.0.1:6379")
	want.Store.Postgres.URL = mustURL(t, "postgres://sluice@127.0.0.1:5432/sluice")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the example differs from the defaults (-want +got):\n%s", diff)
	}
}

// The example is the documentation of every key: none may be missing, and what
// is commented out must show the default.
func TestExample_ShowsEveryKeyWithItsDefault(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( *)#((- )?[a-z_]+:)`).ReplaceAllString(Example(), "$1$2")
	var doc yaml.Node
	if err := yaml.Load([]byte(text), &doc); err != nil {
		t.Fatalf("the example with every key: %v", err)
	}
	values := map[string]string{}
	flatten(doc.Content[0], "", values)
	for _, f := range Fields() {
		got, ok := values[f.Key]
		if !ok {
			t.Errorf("%s is not in the example", f.Key)
		}
		if f.Default != "" && got != f.Default {
			t.Errorf("%s: the example shows %s, the default is %s", f.Key, got, f.Default)
		}
		delete(values, f.Key)
	}
	for key := range values {
		t.Errorf("%s is in the example but unknown", key)
	}
}

// flatten collects the values by the paths that Fields uses.
func flatten(n *yaml.Node, path string, values map[string]string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := join(path, n.Content[i].Value), n.Content[i+1]
		switch {
		case value.Kind == yaml.MappingNode:
			flatten(value, key, values)
		case value.Kind == yaml.SequenceNode && value.Content[0].Kind == yaml.MappingNode:
			for _, item := range value.Content {
				flatten(item, key+"[]", values)
			}
		default:
			values[key] = value.Value
		}
	}
}

func TestFields(t *testing.T) {
	fields := map[string]Field{}
	for _, f := range Fields() {
		fields[f.Key] = f
	}
	for _, want := range []Field{
		{Key: "facility", Env: "SLUICE_FACILITY", Kind: "text", Required: true},
		{Key: "broker.password_file", Env: "SLUICE_BROKER_PASSWORD_FILE", Kind: "path"},
		{Key: "broker.ca", Env: "SLUICE_BROKER_CA", Kind: "path"},
		{Key: "queue.redis.max_bytes", Env: "SLUICE_QUEUE_REDIS_MAX_BYTES", Kind: "size", Default: "0"},
		{Key: "routes[].topic", Kind: "topics", Required: true},
		{Key: "routes[].batch.linger", Kind: "duration"},
		{Key: "routes[].silent_after", Kind: "duration", Default: "0s"},
		{Key: "presence.max_devices", Env: "SLUICE_PRESENCE_MAX_DEVICES", Kind: "integer", Default: "1000000"},
		{Key: "notify[].kind", Kind: "text", Required: true},
		{Key: "notify[].bot_id", Kind: "secret"},
		{Key: "notify[].url_file", Kind: "path"},
	} {
		if diff := cmp.Diff(want, fields[want.Key]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Two keys must not have one variable, and limits must parse.
func TestFields_TagsAreSound(t *testing.T) {
	seen := map[string]string{}
	for _, f := range Fields() {
		if other, ok := seen[f.Env]; ok && f.Env != "" {
			t.Errorf("%s and %s are both %s", f.Key, other, f.Env)
		}
		seen[f.Env] = f.Key
	}
	soundTags(t, reflect.TypeFor[Config]())
}

func soundTags(t *testing.T, typ reflect.Type) {
	for _, f := range fieldsOf(typ) {
		switch {
		case !f.leaf():
			soundTags(t, f.typ)
		case f.list():
			soundTags(t, f.typ.Elem())
		case f.has("required") && f.tag.Get("eg") == "":
			t.Errorf("%s is required without an example", f.key)
		}
		limit(f, "min")
		limit(f, "max")
	}
}
