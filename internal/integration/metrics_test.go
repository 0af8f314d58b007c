package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/internal/testenv"
)

// metrics starts Prometheus with the shipped configuration: promtool finds nothing wrong
// with it, the alerts fire when they should, every replica of every service is scraped, and
// no alert is on but the one about the clock, which has ended.
func (s *stack) metrics() {
	s.promtool("check", "config", "/etc/prometheus/prometheus.yml")
	s.promtool("test", "rules", "/etc/prometheus/alerts_test.yml")
	s.compose("up", "--detach", "--no-deps", "prometheus")
	targets := s.scraped()
	rules := s.alerts()
	s.t.Logf("Prometheus scrapes %d replicas and judges %d rules", targets, rules)
}

// promtool runs it in a container of Prometheus, which sees deploy/prometheus and can write
// to its volume alone.
func (s *stack) promtool(args ...string) {
	s.t.Helper()
	run := []string{"run", "--rm", "--no-deps", "-T", "-e", "TMPDIR=/prometheus", "--entrypoint", "promtool", "prometheus"}
	s.compose(append(run, args...)...)
}

// scraped waits until every replica that runs is a target and answers, and counts them.
func (s *stack) scraped() int {
	want := len(s.containers(s.router(), "api", s.device()))
	testenv.Eventually(s.t, 2*time.Minute, func() error {
		var targets struct {
			ActiveTargets []struct{ Health, ScrapeURL, LastError string }
		}
		if err := s.prometheus("targets?state=active", &targets); err != nil {
			return err
		}
		if n := len(targets.ActiveTargets); n != want {
			return fmt.Errorf("%d targets, want %d", n, want)
		}
		for _, t := range targets.ActiveTargets {
			if t.Health != "up" {
				return fmt.Errorf("%s: %s %s", t.ScrapeURL, t.Health, t.LastError)
			}
		}
		return nil
	})
	return want
}

// alerts waits until all rules are judged, and counts them.
func (s *stack) alerts() int {
	const clock = "SluiceClockStopped"
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, State, Health, LastError string }
		}
	}
	testenv.Eventually(s.t, time.Minute, func() error {
		if err := s.prometheus("rules", &rules); err != nil {
			return err
		}
		for _, r := range rules.Groups[0].Rules {
			if r.Health != "ok" {
				return fmt.Errorf("rule %s: %s %s", r.Name, r.Health, r.LastError)
			}
			if r.Name == clock && r.State == "inactive" {
				return fmt.Errorf("%s sees a clock", r.Name)
			}
		}
		return nil
	})
	for _, r := range rules.Groups[0].Rules {
		if r.Name != clock && r.State == "firing" {
			s.t.Errorf("%s fires", r.Name)
		}
	}
	return len(rules.Groups[0].Rules)
}

// prometheus asks its API from inside the container and decodes the data of the answer.
func (s *stack) prometheus(path string, data any) error {
	out, err := s.run("scripts/compose.sh", "exec", "-T", "prometheus", "wget", "-q", "-O", "-", "http://localhost:9090/api/v1/"+path)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	answer := struct {
		Status string
		Data   any
	}{Data: data}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(out)
	}
	return nil
}
