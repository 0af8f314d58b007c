package doortest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice/gen/msg"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// nodeClient is what npm fetches.
const nodeClient = "mqtt@5"

// The MQTT client of Node.js, in both versions of the protocol: it acknowledges to its
// program what is stored, finds its session again and loses nothing when replicas are
// killed, and its last will tells of it when it is killed itself.
func TestDoor_Node_NothingIsMissing(t *testing.T) {
	if os.Getenv("DOORTEST_NODE") == "" {
		t.Skip("make node-client-proof runs it: it fetches a package")
	}
	dir := t.TempDir()
	fetch := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--prefix", dir, nodeClient)
	if out, err := fetch.CombinedOutput(); err != nil {
		t.Fatalf("npm install %s: %v\n%s", nodeClient, err, out)
	}
	for _, version := range []string{"4", "5"} {
		t.Run("protocol "+version, func(t *testing.T) {
			s := newSite(t, sitePlan{})
			s.publishByNode(dir, version)
			s.killNode(dir, version)
		})
	}
}

func (s *site) publishByNode(dir, version string) {
	t := s.t
	t.Helper()
	input, done := s.startNode(dir, version)
	const kills = 3
	n := 0
	for range kills {
		for range 200 {
			m := pathload.Reading(pathload.RouteSensor, "node-"+version, n, 0)
			if _, err := fmt.Fprintln(input, hex.EncodeToString(m.Payload)); err != nil {
				t.Fatal(err)
			}
			n++
			pass(t, 5*time.Millisecond) // 200 a second
		}
		for _, r := range s.replicas { // one of them has the client
			r.Kill()
			r.start()
			r.awaitOpen(1)
		}
	}
	s.must(input.Close())
	var acked, connects, forgotten int
	said := <-done
	if _, err := fmt.Sscan(said, &acked, &connects, &forgotten); err != nil || acked != n || connects < 2 || forgotten > 0 {
		t.Errorf("acknowledged to the program, connections, sessions forgotten: %q of %d messages (%v)", said, n, err)
	}
	s.AwaitRows(0)
	pathload.Eventually(t, patience, func() error {
		if rows := s.number("SELECT count(*) FROM data.sensor"); rows != int64(n) {
			return fmt.Errorf("%d rows of %d messages", rows, n)
		}
		return nil
	})
	t.Logf("%d messages, %d times both replicas killed, one after the other: all acknowledged, as many rows; %d connections, %d sessions forgotten; %+v",
		n, kills, connects, forgotten, s.MustStatus(pathload.RouteSensor).Account)
}

// killNode kills a client that has a last will: its outage is written, once.
func (s *site) killNode(dir, version string) {
	s.t.Helper()
	name := "gone-" + version
	will, err := proto.Marshal(&msg.LWT{Device: name, Delay: 1})
	s.must(err)
	hello, err := proto.Marshal(&msg.Connect{Device: name})
	s.must(err)
	cmd := s.node(s.t.Context(), dir, "will.js", version, name, hex.EncodeToString(will), hex.EncodeToString(hello))
	out, err := cmd.StdoutPipe()
	s.must(err)
	s.must(cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	s.must(cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	if err != nil || strings.TrimSpace(line) != "there" {
		s.t.Fatalf("node says %q: %v", line, err)
	}
	testenv.Eventually(s.t, patience, func() error {
		if n := s.number("SELECT count(*) FROM data.outage WHERE device = $1 AND cause = 'lwt'", name); n != 1 {
			return fmt.Errorf("%s: %d outages by its last will, want 1", name, n)
		}
		return nil
	})
	s.t.Logf("%s was killed: one outage by its last will", name)
}

// node is a script of testdata, to be run beside the modules that it needs.
func (s *site) node(ctx context.Context, dir, script string, args ...string) *exec.Cmd {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", script))
	s.must(err)
	path := filepath.Join(dir, script)
	s.must(os.WriteFile(path, text, 0o600))
	host, port, _ := net.SplitHostPort(s.link.Addr())
	return exec.CommandContext(ctx, "node", append([]string{path, host, port}, args...)...)
}

// startNode starts the client; done has what it printed, without space, when it ends.
func (s *site) startNode(dir, version string) (_ io.WriteCloser, done <-chan string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*patience)
	cmd := s.node(ctx, dir, "publish.js", version)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	input, err := cmd.StdinPipe()
	s.must(err)
	ended := make(chan string, 1)
	go func() {
		defer cancel()
		out, err := cmd.Output()
		if err != nil {
			s.t.Errorf("node: %v: %s", err, complaints.Bytes())
		}
		ended <- strings.TrimSpace(string(out))
	}()
	return input, ended
}
