package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const hidden = "hunter2"

func mustURL(t testing.TB, s string) URL {
	t.Helper()
	u, err := ParseURL(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestConfig_LeaksNoSecret(t *testing.T) {
	c := Default()
	c.Broker.URL = mustURL(t, "mqtt://u:"+hidden+"@b")
	c.Broker.Password = NewSecret(hidden)
	c.Queue.Redis.Password = NewSecret(hidden)
	c.Store.Postgres.URL = mustURL(t, "postgres://u:"+hidden+"@db/x?password="+hidden+"&sslpassword="+hidden)
	c.Store.Postgres.Password = NewSecret(hidden)
	c.Notify = []Notify{
		{Kind: "groupme", BotID: NewSecret(hidden)},
		{Kind: "webhook", URL: mustURL(t, "https://"+hidden+":"+hidden+"@h/services/"+hidden+"?key="+hidden)},
	}

	type inside struct { // fmt cannot call methods on unexported fields
		secret Secret
		url    URL
		dsn    []Secret
	}
	hiding := inside{c.Broker.Password, c.Broker.URL, []Secret{c.Store.Postgres.DSN()}}
	values := map[string]any{
		"secret": c.Broker.Password, "pointer": &c.Broker.Password, "url": c.Broker.URL, "webhook": c.Notify[1].URL, "receivers": c.Notify, "postgres": c.Store.Postgres.URL,
		"dsn": c.Store.Postgres.DSN(), "config": c, "value": *c, "unexported": hiding, "pointer to unexported": &hiding,
	}
	for name, v := range values {
		for _, verb := range "vsdqxXeEfFgGtTbcoOUpw" {
			for _, flags := range []string{"", "+", "#", "+#", "10.3", "-"} {
				refuseSecret(t, name, fmt.Sprintf("%"+flags+string(verb), v))
			}
		}
		refuseSecret(t, name+" print", fmt.Sprint(v))
		refuseSecret(t, name+" error", fmt.Errorf("x %v: %s", v, v).Error())
		var logs bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&logs, nil), slog.NewTextHandler(&logs, nil)} {
			slog.New(h).Info("x", "v", v, slog.Group("g", "v", v))
		}
		refuseSecret(t, name+" slog", logs.String())
		encode(t, name+" json", v, json.Marshal)
		encode(t, name+" yaml", v, yaml.Marshal)
		encode(t, name+" yaml dump", v, func(v any) ([]byte, error) { return yaml.Dump(v) })
	}
	encode(t, "xml", c.Broker.Password, xml.Marshal)
	encode(t, "xml", c.Broker.URL, xml.Marshal)
	var shown bytes.Buffer
	if err := c.Show(&shown); err != nil {
		t.Fatal(err)
	}
	refuseSecret(t, "show", shown.String())
	for _, want := range []string{"password: '[redacted]'", "bot_id: '[redacted]'", "url: https://xxxxx@h/xxxxx?xxxxx"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("show does not tell %s:\n%s", want, shown.String())
		}
	}
}

func encode(t *testing.T, name string, v any, marshal func(any) ([]byte, error)) {
	t.Helper()
	out, err := marshal(v)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	refuseSecret(t, name, string(out))
}

func refuseSecret(t *testing.T, name, out string) {
	t.Helper()
	hex := fmt.Sprintf("%x", hidden)
	if strings.Contains(out, hidden) || strings.Contains(strings.ToLower(out), hex) {
		t.Errorf("%s: the secret is in %s", name, out)
	}
}

func TestSecret(t *testing.T) {
	s := NewSecret(hidden)
	if got := s.Reveal(); got != hidden {
		t.Errorf("Reveal: got %q", got)
	}
	if got := fmt.Sprintf("%v %s %d %#v", s, s, s, s); got != strings.TrimSpace(strings.Repeat("[redacted] ", 4)) {
		t.Errorf("printed: got %q", got)
	}
	if none := NewSecret(""); !none.IsZero() || none.Reveal() != "" || none.String() != "" || !none.Equal(Secret{}) {
		t.Errorf("no secret: got %v", none)
	}
	if !s.Equal(NewSecret(hidden)) || s.Equal(NewSecret("x")) {
		t.Error("Equal does not compare the text")
	}
}

func TestURL(t *testing.T) {
	u := mustURL(t, "redis://u:"+hidden+"@[::1]/2")
	got := []string{u.String(), u.Scheme(), u.Host(), u.Address(6379), u.Reveal()}
	want := []string{"redis://u:xxxxx@[::1]/2", "redis", "::1", "[::1]:6379", "redis://u:" + hidden + "@[::1]/2"}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	for text, want := range map[string]string{
		"https://h":              "https://h",
		"http://h:8080/":         "http://h:8080",
		"https://h/services/T/B": "https://h/xxxxx",
		"https://token@h/?a=b":   "https://xxxxx@h?xxxxx",
		"https://u:p@h:1/a%2Fb#": "https://xxxxx@h:1/xxxxx",
		"HTTPS://h/services?":    "https://h/xxxxx",
	} {
		if u, err := ParseURL(text); err == nil && u.String() != want {
			t.Errorf("%s: got %s, want %s", text, u, want)
		}
	}
	var none URL
	if none.String()+none.Reveal()+none.Scheme()+none.Host()+none.Address(1) != "" || !none.IsZero() {
		t.Error("no URL is not empty")
	}
}

func TestParseURL_FaultsLeakNothing(t *testing.T) {
	for _, s := range []string{
		"mqtt://u:" + hidden + "%zz@b", "mqtt://u:" + hidden + "#x@b", "u:" + hidden, "mqtt://u:" + hidden + " @b:x",
		"postgres://b/d?password=" + hidden + ";x", "\x00" + hidden, "", "//" + hidden + "@b",
	} {
		if u, err := ParseURL(s); err == nil {
			t.Errorf("%q is taken as %q", s, u.Reveal())
		} else {
			refuseSecret(t, s, err.Error())
		}
	}
}
