package groupme

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/notify"
	"sluice/notify/internal/receivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bot    = "b07-hunter2"
	prefix = "pre-hunter3" // of a proxy's path
)

func receiver(t testing.TB, base string, timeout time.Duration) notify.Sender {
	t.Helper()
	r, err := New(Config{BotID: notify.NewSecret(bot), Base: notify.NewSecret(base), Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	receivertest.HTTP(t, func(t testing.TB, base string, timeout time.Duration) notify.Sender {
		t.Helper()
		return receiver(t, base+"/"+prefix+"/", timeout)
	}, bot, prefix)
}

func TestReceiver_PostsAsABot(t *testing.T) {
	t.Parallel()
	server := receivertest.Serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	p := receivertest.Part()
	if err := receiver(t, server.URL, 0).Send(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	seen, body := server.Only(t)
	if seen.Path != "/v3/bots/post" {
		t.Errorf("got path %s", seen.Path)
	}
	if diff := cmp.Diff(map[string]any{"bot_id": bot, "text": p.Text}, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestReceiver_LimitIsThatOfGroupMe(t *testing.T) {
	t.Parallel()
	r := receiver(t, "", 0)
	parts, err := notify.Split(strings.Repeat("a line of a report\n", 300), "0123456789abcdef0123456789abcdef", r.Limit())
	if err != nil || len(parts) < 6 {
		t.Fatalf("got %d parts, %v", len(parts), err)
	}
	for _, p := range parts {
		if n := utf8.RuneCountInString(p); n > 1000 {
			t.Errorf("a part of %d characters", n)
		}
	}
}

func TestSendTest(t *testing.T) {
	t.Parallel()
	server := receivertest.Serve(t, func(http.ResponseWriter, *http.Request) {})
	if err := notify.SendTest(t.Context(), receiver(t, server.URL, 0), "plant-1"); err != nil {
		t.Fatal(err)
	}
	_, body := server.Only(t)
	if text, _ := body["text"].(string); !strings.HasPrefix(text, "This is a test of the notifications of plant-1; no action is needed.\n[test-") {
		t.Errorf("got text %q", text)
	}
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	id := notify.NewSecret(bot)
	for name, c := range map[string]struct {
		config Config
		says   string
	}{
		"no bot":    {Config{}, "no id of a bot"},
		"no scheme": {Config{BotID: id, Base: notify.NewSecret(prefix)}, "use http:// or https:// and a host"},
		"no URL":    {Config{BotID: id, Base: notify.NewSecret("http://%zz" + prefix)}, "use http:// or https:// and a host"},
	} {
		_, err := New(c.config)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want ..%s..", name, err, c.says)
		}
		receivertest.NoSecret(t, err, []string{bot, prefix})
	}
}

func TestConfig_LeaksNoSecret(t *testing.T) {
	t.Parallel()
	c := Config{BotID: notify.NewSecret(bot), Base: notify.NewSecret("http://u:" + prefix + "@h")}
	receivertest.NoSecret(t, c, []string{bot, prefix})
	receivertest.NoSecret(t, &c, []string{bot, prefix})
}
