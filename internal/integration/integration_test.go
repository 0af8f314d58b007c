package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// TestStack starts the stack from nothing, with the broker and with the front door, and
// takes it through its life.
func TestStack(t *testing.T) {
	if os.Getenv("INTEGRATION") == "" {
		t.Skip("make integration runs it: it needs Docker, and builds images")
	}
	for _, profile := range []string{"broker", "door"} {
		t.Run(profile, func(t *testing.T) {
			s := newStack(t, profile)
			s.start()
			s.fourPulses()
			s.everyLogIsClean()
			s.twoOutages()
			if profile == "broker" {
				s.metrics()
			}
			s.nobodyWithoutCertificate()
			s.restarts()
			s.noSecretIsSeen()
		})
	}
}

// fleet is the number of devices that the stack simulates.
const fleet = 20

// router, clock and device are the services of the profile.
func (s *stack) router() string {
	return map[string]string{"broker": "batch-router", "door": "door"}[s.profile]
}

func (s *stack) clock() string {
	return map[string]string{"broker": "clock", "door": "door-clock"}[s.profile]
}

func (s *stack) device() string {
	return map[string]string{"broker": "device", "door": "door-device"}[s.profile]
}

// servers are those of others.
func (s *stack) servers() []string {
	if s.profile == "broker" {
		return []string{"broker", "redis", "postgres"}
	}
	return []string{"redis", "postgres"}
}

// start builds the images and starts everything but the clock and the load.
func (s *stack) start() {
	s.compose("build")
	s.addUsers("lost-", 2)
	s.addUsers("load-", fleet)
	s.compose("up", "--detach", s.router(), s.device(), "api", "receiver")
	s.awaitHealthy(s.containers()...)
	s.compose("up", "--detach", "--no-deps", "lost")
	s.await(func(v view) error {
		if up := s.count(v, "up"); up != fleet+2 {
			return fmt.Errorf("%d of %d devices are up", up, fleet+2)
		}
		return nil
	})
	s.t.Logf("up after %.0f s, images and secrets included", time.Since(s.began).Seconds())
}

// count is how many devices are in a state.
func (*stack) count(v view, state string) (n int) {
	for _, is := range v.Devices {
		if is == state {
			n++
		}
	}
	return n
}

// fourPulses lets the clock pulse: each device has four rows then.
func (s *stack) fourPulses() {
	s.compose("up", "--detach", "--no-deps", s.clock())
	v := s.await(func(v view) error {
		for device := range v.Devices {
			if v.Rows[device] != 4 {
				return fmt.Errorf("%s has %d rows, want 4", device, v.Rows[device])
			}
		}
		return nil
	})
	if v.sum("") != 4*(fleet+2) || !v.IDs || v.Doubled > 0 {
		s.t.Errorf("%d rows, %d doubled, ids in order %t; want %d, 0, true", v.sum(""), v.Doubled, v.IDs, 4*(fleet+2))
	}
	s.balanced()
	s.t.Logf("four pulses: %d rows by the Python client with its certificate; the account is balanced", v.sum(""))
}

// balanced asks the operator's command whether every message is accounted for.
func (s *stack) balanced() {
	s.t.Helper()
	testenv.Eventually(s.t, time.Minute, func() error {
		out, err := s.run("scripts/compose.sh", "exec", "-T", s.router(), "/sluice", "-c", "/sluice.yaml", "account")
		if err != nil {
			return fmt.Errorf("account: %w\n%s", err, out)
		}
		return nil
	})
}

// twoOutages kills the two devices that are there for it: each is told once.
func (s *stack) twoOutages() {
	s.docker(append([]string{"kill", "--signal", "KILL"}, s.containers("lost")...)...)
	want := []string{"lost-0001", "lost-0002"}
	s.await(func(v view) error {
		if !slices.Equal(v.Outages, want) || s.count(v, "down") != 2 || s.count(v, "up") != fleet {
			return fmt.Errorf("outages %q, states %v", v.Outages, v.Devices)
		}
		return nil
	})
	s.reported(want)
	s.t.Log("two devices killed: two outages, each reported once")
}

// reported checks the devices whose outages the receiver was told.
func (s *stack) reported(want []string) {
	s.t.Helper()
	testenv.Eventually(s.t, time.Minute, func() error {
		told := map[string]int{}
		for line := range strings.Lines(s.docker("logs", s.containers("receiver")[0])) {
			var report struct{ Outages []struct{ Device string } }
			must(s.t, json.Unmarshal([]byte(line), &report))
			for _, o := range report.Outages {
				told[o.Device]++
			}
		}
		once := map[string]int{}
		for _, device := range want {
			once[device] = 1
		}
		if !maps.Equal(told, once) {
			return fmt.Errorf("reported: %v, want %v", told, once)
		}
		return nil
	})
}

// wrong are the lines of logs that nobody may have to explain.
var wrong = regexp.MustCompile(`"level":"(ERROR|WARN)"|(ERROR|FATAL|PANIC): |: (OpenSSL )?Error|# .*([Ee]rror|[Dd]enied)`)

// everyLogIsClean: nothing has gone wrong yet, so nothing may say so.
func (s *stack) everyLogIsClean() {
	for line := range strings.Lines(s.compose("logs", "--no-color")) {
		if wrong.MatchString(line) {
			s.t.Errorf("in the logs: %s", strings.TrimSpace(line))
		}
	}
}

// taken is the line by which a fleet ends.
var taken = regexp.MustCompile(`"taken":(\d+),"acked":(\d+),`)

// restarts ends every container in turn while a fleet sends, and renews the certificates:
// every reading is there afterwards, once, and no outage is told.
func (s *stack) restarts() {
	s.compose("up", "--detach", "--no-deps", "load")
	s.await(func(v view) error {
		if v.sum("load-") < fleet {
			return fmt.Errorf("%d rows of the load", v.sum("load-"))
		}
		return nil
	})
	s.renew()
	for _, service := range append(s.servers(), s.router(), "api", s.device()) {
		for _, container := range s.containers(service) {
			s.docker("restart", "--time", "20", container)
			s.awaitHealthy(container)
		}
		s.progress(service)
	}
	load := s.containers("load")[0]
	s.docker("stop", "--time", "30", load)
	acked, all := s.readings(load)
	v := s.await(func(v view) error {
		if n := v.sum("load-"); n < acked || n > all {
			return fmt.Errorf("%d rows of %d readings, of which %d were acknowledged", n, all, acked)
		}
		return nil
	})
	if !v.IDs || v.Doubled > 0 {
		s.t.Errorf("%d rows doubled, ids in order %t", v.Doubled, v.IDs)
	}
	s.balanced()
	s.reported([]string{"lost-0001", "lost-0002"})
	s.t.Logf("every container restarted, certificates renewed: %d readings, %d acknowledged, %d rows, none doubled, no further outage", all, acked, v.sum("load-"))
}

// readings is what the load took until it was stopped, and how many of these had been
// acknowledged then: its last words.
func (s *stack) readings(container string) (acked, all int) {
	s.t.Helper()
	log, err := s.run("sh", "-c", "docker logs "+container+" 2>&1")
	must(s.t, err)
	lines := taken.FindAllStringSubmatch(log, -1)
	if len(lines) == 0 {
		s.t.Fatalf("the load says nothing:\n%s", log)
	}
	last := lines[len(lines)-1]
	all, err = strconv.Atoi(last[1])
	must(s.t, err)
	acked, err = strconv.Atoi(last[2])
	must(s.t, err)
	if acked < all-fleet {
		s.t.Errorf("the load ended with %d readings, %d acknowledged", all, acked)
	}
	return acked, all
}

// progress waits until rows come again.
func (s *stack) progress(after string) {
	s.t.Helper()
	before := -1
	s.await(func(v view) error {
		n := v.sum("load-")
		if before < 0 {
			before = n
		}
		if n < before+fleet {
			return fmt.Errorf("after the restart of %s no rows come: %d", after, n)
		}
		return nil
	})
}
