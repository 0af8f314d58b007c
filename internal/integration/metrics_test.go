package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/internal/testenv"
)

// metrics starts Prometheus with the shipped configuration: promtool finds nothing wrong
// with it, every replica of every service is scraped, and no alert is on.
func (s *stack) metrics() {
	s.compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "promtool", "prometheus", "check", "config", "/etc/prometheus/prometheus.yml")
	s.compose("up", "--detach", "--no-deps", "prometheus")
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
		}
		return nil
	})
	for _, r := range rules.Groups[0].Rules {
		if r.State == "firing" {
			s.t.Errorf("%s fires", r.Name)
		}
	}
	s.t.Logf("Prometheus scrapes %d replicas, %d rules, none fires", want, len(rules.Groups[0].Rules))
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
