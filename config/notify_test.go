package config

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLoad_Notify(t *testing.T) {
	bot := writeFile(t, "bot", hidden+"\n")
	hook := writeFile(t, "hook", "https://example.com/"+hidden+"\n")
	c := mustLoad(t, minimal+`
notify:
  - {kind: groupme, bot_id_file: `+bot+`}
  - {kind: groupme, name: night, bot_id: "${BOT}", url: "http://127.0.0.1:1/base", group_wait: 1m}
  - {kind: webhook, url_file: `+hook+`, timeout: 1s}
  - kind: log
`, []string{"BOT=" + hidden})
	want := []Notify{
		{Kind: "groupme", Name: "groupme", BotID: NewSecret(hidden), URL: mustURL(t, "https://api.groupme.com")},
		{Kind: "groupme", Name: "night", BotID: NewSecret(hidden), URL: mustURL(t, "http://127.0.0.1:1/base"), GroupWait: time.Minute},
		{Kind: "webhook", Name: "webhook", URL: mustURL(t, "https://example.com/"+hidden), Timeout: time.Second},
		{Kind: "log", Name: "log"},
	}
	for i := range want {
		if want[i].GroupWait == 0 {
			want[i].GroupWait = 500 * time.Millisecond
		}
		if want[i].Timeout == 0 {
			want[i].Timeout = 10 * time.Second
		}
	}
	if diff := cmp.Diff(want, c.Notify); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var shown bytes.Buffer
	if err := c.Show(&shown); err != nil {
		t.Fatal(err)
	}
	refuseSecret(t, "show", shown.String())
}

func TestLoad_Notify_Nobody(t *testing.T) {
	c := mustLoad(t, minimal+"notify: []\n", nil)
	if len(c.Notify) != 0 {
		t.Errorf("got %v, want no receiver", c.Notify)
	}
	var shown bytes.Buffer
	if err := c.Show(&shown); err != nil {
		t.Fatal(err)
	}
	if again := mustLoad(t, shown.String(), nil); len(again.Notify) != 0 {
		t.Errorf("shown and read again: got %v, want no receiver", again.Notify)
	}
}

// A program that does not report outages needs no secret of a receiver.
func TestLoad_Notify_OnlyForWhoReadsIt(t *testing.T) {
	c := mustLoad(t, "broker: {url: mqtt://b}\nnotify: [{kind: groupme, bot_id_file: /no/such}]\n", nil, Only("broker"))
	if diff := cmp.Diff(Default().Notify, c.Notify); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_Notify_Faults(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"kind missing", "{name: a}", "notify[0].kind: missing; set it here, for example log"},
		{"kind unknown", "{kind: slack}", `notify[0].kind: "slack" is unknown; use one of groupme, webhook, log`},
		{"name", "{kind: log, name: a/b}", `notify[0].name: "a/b" is not a name; ` + nameRule},
		{"name twice", "{kind: log}, {kind: log}", `notify[1].name: "log" is also the name of notify[0]; give each receiver its own`},
		{"name that is a kind", "{kind: log}, {kind: webhook, url: \"https://h\", name: log}", `notify[1].name: "log" is also the name of notify[0]; give each receiver its own`},
		{"groupme without bot", "{kind: groupme}", "notify[0].bot_id: missing; groupme needs it, here or as bot_id_file"},
		{"groupme with an empty bot", "{kind: groupme, bot_id: \"${NO:-}\"}", "notify[0].bot_id: missing; groupme needs it, here or as bot_id_file"},
		{"bot's file", "{kind: groupme, bot_id_file: /no/such}", `notify[0].bot_id_file: cannot read "/no/such": no such file or directory`},
		{"bot's file without a value", "{kind: groupme, bot_id_file: }", "notify[0].bot_id_file: has no value; give one or remove the key"},
		{"bot twice", "{kind: groupme, bot_id: hunter2, bot_id_file: /x}", "notify[0].bot_id_file: notify[0].bot_id is given too, on line 5; keep one"},
		{"groupme's parameters", "{kind: groupme, bot_id: hunter2, url: \"https://h/?x=hunter2\"}", "notify[0].url: has parameters; only what stands before /v3 belongs here, like https://api.groupme.com"},
		{"webhook without URL", "{kind: webhook}", "notify[0].url: missing; a webhook needs it, here or as url_file"},
		{"webhook with a bot", "{kind: webhook, url: \"https://h\", bot_id: hunter2}", "notify[0].bot_id: has no effect; it needs kind groupme"},
		{"webhook with a bot's file", "{kind: webhook, url: \"https://h\", bot_id_file: testdata/not-a-cert.txt}", "notify[0].bot_id_file: has no effect; it needs kind groupme"},
		{"scheme", "{kind: webhook, url: \"ftp://hunter2\"}", `notify[0].url: the scheme "ftp" is not allowed; use http:// or https://`},
		{"host", "{kind: webhook, url: \"https:///hunter2\"}", "notify[0].url: names no host; write https://host"},
		{"port", "{kind: webhook, url: \"https://h:0/hunter2\"}", `notify[0].url: port "0" is not allowed; use 1 to 65535`},
		{"log with URL", "{kind: log, url: \"https://hunter2\"}", "notify[0].url: has no effect; it needs kind webhook or groupme"},
		{"headers", "{kind: log, headers: {a: b}}", "notify[0].headers: unknown key; use one of kind, name, bot_id, bot_id_file, url, url_file, group_wait, timeout"},
		{"slip", "{kind: log, groupwait: 1s}", "notify[0].groupwait: unknown key; did you mean group_wait?"},
		{"group_wait", "{kind: log, group_wait: 1ms}", "notify[0].group_wait: 1ms is not allowed; use 10ms to 5m"},
		{"timeout", "{kind: log, timeout: 1h}", "notify[0].timeout: 1h is not allowed; use 100ms to 5m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := faultsOf(t, minimal+"notify: ["+tt.text+"]\n", nil)
			refuseSecret(t, "fault", got)
			if diff := cmp.Diff("sluice.yaml:5: "+tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
	got := faultsOf(t, minimal, []string{"SLUICE_NOTIFY_0_BOT_ID=hunter2"})
	if want := "environment: SLUICE_NOTIFY_0_BOT_ID: unknown variable; notify can be given in the file only"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What the example shows of receivers loads when it is no comment any more.
func TestExample_ReceiversLoad(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( *)#((- kind|name|bot_id|url|group_wait|timeout):)`).ReplaceAllString(section(t, "notify"), "$1$2")
	c := mustLoad(t, minimal+text, []string{"GROUPME_BOT=x"})
	var kinds []string
	for _, n := range c.Notify {
		kinds = append(kinds, n.Kind)
	}
	if diff := cmp.Diff([]string{"log", "groupme", "webhook"}, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// section returns a top-level section of the example.
func section(t testing.TB, key string) string {
	t.Helper()
	_, text, ok := strings.Cut(Example(), "\n"+key+":\n")
	if !ok {
		t.Fatalf("the example has no section %s", key)
	}
	text, _, _ = strings.Cut(text, "\n\n")
	return key + ":\n" + text + "\n"
}
