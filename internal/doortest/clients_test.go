package doortest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/device"
	"sluice/internal/certtest"
	"sluice/internal/outagekit"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// mosquitto runs mosquitto_pub or mosquitto_sub against a replica and returns what it
// wrote.
func (s *site) mosquitto(t testing.TB, r *replica, input []byte, tool string, args ...string) string {
	host, port, _ := net.SplitHostPort(r.address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, append([]string{"-h", host, "-p", port}, args...)...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v: %s", tool, args, err, out)
	}
	return string(out)
}

// mosquitto_pub and mosquitto_sub as people use them, with a password, with and
// without TLS: a message becomes a row, a wrong password is refused, and what is
// published at one replica is heard at the other.
func TestDoor_Mosquitto_PublishesAndSubscribes(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", secure), func(t *testing.T) {
			t.Parallel()
			users := filepath.Join(t.TempDir(), "users.txt")
			if out, err := exec.Command("mosquitto_passwd", "-b", "-c", users, "anna", "secret").CombinedOutput(); err != nil {
				t.Fatalf("mosquitto_passwd: %v: %s", err, out)
			}
			plan := sitePlan{listen: fmt.Sprintf("users: %q", users)}
			flags := []string{"-u", "anna", "-q", "1"}
			if secure {
				dir, authority := t.TempDir(), certtest.New(t)
				authority.Write(t, dir, "ca")
				authority.Issue(t, dir, "door", time.Now().Add(time.Hour))
				plan.tls = fmt.Sprintf("tls: {cert: %q, key: %q}", filepath.Join(dir, "door.crt"), filepath.Join(dir, "door.key"))
				flags = append(flags, "--cafile", filepath.Join(dir, "ca.crt"))
			}
			s := newSite(t, plan)
			for i, version := range []string{"mqttv311", "mqttv5"} {
				s.tryMosquitto(version, i, flags)
			}
		})
	}
}

func (s *site) tryMosquitto(version string, k int, flags []string) {
	s.t.Helper()
	flags = slices.Concat(flags, []string{"-V", version})
	with := func(more ...string) []string { return slices.Concat(flags, []string{"-P", "secret"}, more) }
	reading := pathload.Reading(pathload.RouteSensor, version, k, 0)
	s.mosquitto(s.t, s.replicas[0], reading.Payload, "mosquitto_pub", with("-t", reading.Topic, "-s")...)
	testenv.Eventually(s.t, patience, func() error {
		if n := s.number("SELECT count(*) FROM data.sensor WHERE device = $1", version); n != 1 {
			return fmt.Errorf("%s: %d rows, want 1", version, n)
		}
		return nil
	})
	s.refusesMosquitto(flags)

	heard := make(chan string, 1)
	go func() {
		heard <- s.mosquitto(s.t, s.replicas[1], nil, "mosquitto_sub", with("-t", "pulse", "-C", "1", "-i", "ear-"+version, "-c")...)
	}()
	for text := ""; text == ""; { // until it has subscribed
		s.mosquitto(s.t, s.replicas[0], nil, "mosquitto_pub", with("-t", "pulse", "-m", "tick")...)
		select {
		case text = <-heard:
			if strings.TrimSpace(text) != "tick" {
				s.t.Errorf("mosquitto_sub got %q", text)
			}
		default:
		}
	}
}

func (s *site) refusesMosquitto(flags []string) {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.replicas[0].address)
	args := slices.Concat([]string{"-h", host, "-p", port}, flags, []string{"-P", "wrong", "-t", "data/sensor", "-m", "x"})
	if out, err := exec.CommandContext(s.t.Context(), "mosquitto_pub", args...).CombinedOutput(); err == nil {
		s.t.Errorf("a wrong password is accepted: %s", out)
	}
}

// The predecessor's scenario, at the door: a device connects, answers four pulses and
// drops its socket. After its delay exactly one report with its name arrives, and one
// when it is back. When it comes back inside the delay, to whichever replica, none
// does.
func TestDoor_FourPulsesThenADroppedSocket_OneReport(t *testing.T) {
	t.Parallel()
	stub := outagekit.NewStub(t)
	s := newSite(t, sitePlan{more: fmt.Sprintf("notify: [{kind: groupme, bot_id: bot-1, url: %q}]\n", stub.URL)})
	const name, delay = "kitchen-0001", 2 * time.Second
	f, _ := startFleet(t, device.Config{Address: s.link.Addr(), Count: 1, Prefix: "kitchen-", Delay: delay})
	awaitTruth(t, f, device.Announced, 1)
	for range 4 {
		before := s.rowsOf()
		s.pulse()
		testenv.Eventually(t, patience, func() error { return moreOfEach(before, s.rowsOf(), 1) })
	}

	s.must(f.Drop(name, 500*time.Millisecond)) // inside the delay
	awaitTruth(t, f, device.Announced, 2)
	s.must(f.Drop(name, 5*time.Second))
	report := stub.Await(t, 1, name, "down")[0]
	truth := device.Outages(f.Truth(), device.Observer{Delay: delay})
	if len(truth) != 1 || !truth[0].Certain {
		t.Fatalf("the truth is %+v, want one certain outage", truth)
	}
	late := report.At.Sub(truth[0].Deadline)
	if late < 0 || late > 2*time.Second {
		t.Errorf("the report came %v after the deadline", late)
	}
	stub.Await(t, 1, name, "back")
	if all := stub.Accepted(); len(all) != 2 {
		t.Errorf("got %d reports, want 2: %+v", len(all), all)
	}
	testenv.Eventually(t, patience, func() error {
		n := s.number(`SELECT count(*) FROM data.outage WHERE device = $1 AND cause = 'lwt' AND recovery = 'connect' AND up_at > down_at`, name)
		if n != 1 {
			return fmt.Errorf("%d such rows in data.outage, want 1", n)
		}
		return nil
	})
	t.Logf("reported %v after the deadline", late)
}
