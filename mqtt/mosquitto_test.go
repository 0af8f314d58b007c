package mqtt

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mosquitto is a private broker on a port of its own.
type mosquitto struct {
	t    testing.TB
	dir  string
	port string
	cmd  *exec.Cmd
}

// startMosquitto starts a broker with the extra configuration lines given.
func startMosquitto(t testing.TB, lines ...string) *mosquitto {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	b := &mosquitto{t: t, dir: t.TempDir(), port: port}
	os.Chmod(b.dir, 0o777)
	os.Chmod(filepath.Dir(b.dir), 0o777)
	conf := append([]string{
		"listener " + port + " 127.0.0.1",
		"allow_anonymous true",
		"max_queued_messages 100000000",
		"max_inflight_messages 2000",
		"persistence true",
		"persistence_location " + b.dir + "/",
		"log_dest file " + b.dir + "/log",
	}, lines...)
	if err := os.WriteFile(b.dir+"/conf", []byte(strings.Join(conf, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.start()
	t.Cleanup(b.kill)
	return b
}

func (b *mosquitto) start() {
	b.t.Helper()
	b.cmd = exec.Command("/usr/sbin/mosquitto", "-c", b.dir+"/conf")
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	eventually(b.t, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+b.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (b *mosquitto) kill() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

func (b *mosquitto) url() string { return "mqtt://127.0.0.1:" + b.port }

// eventually polls until ok, for at most 20 s.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// within is a context that ends with the test, at most d from now.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func filters(t testing.TB, patterns ...string) []sluice.Filter {
	t.Helper()
	out := make([]sluice.Filter, len(patterns))
	for i, p := range patterns {
		f, err := sluice.ParseFilter(p)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = f
	}
	return out
}

// open opens a session that the test closes.
func open(t testing.TB, s *Source) sluice.Session {
	t.Helper()
	session, err := s.Open(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// publishLines sends each line as a message with mosquitto_pub at QoS 1.
func publishLines(t testing.TB, b *mosquitto, topic string, lines []byte) {
	t.Helper()
	cmd := exec.Command("mosquitto_pub", "-h", "127.0.0.1", "-p", b.port, "-V", "5", "-q", "1", "-t", topic, "-l")
	cmd.Stdin = bytes.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
}

// numbers returns n lines with the numbers from 0.
func numbers(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintln(&b, i)
	}
	return b.Bytes()
}
