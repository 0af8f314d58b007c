package doortest

import (
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

	"sluice/internal/pathload"
)

// nodeClient is what npm fetches.
const nodeClient = "mqtt@5"

// The MQTT client of Node.js, in both versions of the protocol: it acknowledges to its
// program what is stored, and loses nothing when replicas are killed.
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
		t.Run("protocol "+version, func(t *testing.T) { publishByNode(t, dir, version) })
	}
}

func publishByNode(t *testing.T, dir, version string) {
	t.Helper()
	s := newSite(t, sitePlan{})
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
	if acked := <-done; acked != fmt.Sprint(n) {
		t.Errorf("acknowledged to the program: %q of %d", acked, n)
	}
	s.AwaitRows(0)
	pathload.Eventually(t, patience, func() error {
		if rows := s.number("SELECT count(*) FROM data.sensor"); rows != int64(n) {
			return fmt.Errorf("%d rows of %d messages", rows, n)
		}
		return nil
	})
	t.Logf("%d messages, %d times both replicas killed, one after the other: all acknowledged, as many rows; %+v",
		n, kills, s.MustStatus(pathload.RouteSensor).Account)
}

// startNode starts the client; done has what it printed, without space, when it ends.
func (s *site) startNode(dir, version string) (input io.WriteCloser, done <-chan string) {
	s.t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "publish.js"))
	s.must(err)
	path := filepath.Join(dir, "publish.js") // beside its modules
	s.must(os.WriteFile(path, script, 0o600))
	host, port, _ := net.SplitHostPort(s.link.Addr())
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*patience)
	cmd := exec.CommandContext(ctx, "node", path, host, port, version)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	input, err = cmd.StdinPipe()
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
