package redisq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrUnfit marks a Redis that answers but may not be used: waiting does not help.
var ErrUnfit = errors.New("redis is not fit for a queue")

// Check asks Redis whether it keeps what it confirms: version 7, a primary,
// appendonly yes, appendfsync always, maxmemory-policy noeviction. Profile
// Strict makes what is missing an error that names the line for redis.conf;
// Fast logs it. Where CONFIG is forbidden, what INFO tells is used; the rest is
// an error unless Config.AssumeDurable.
func (q *Queue) Check(ctx context.Context) error {
	_, err := q.check(ctx)
	return err
}

// server is what Check found out; "" where the server does not tell.
type server struct {
	version, role string
	settings      map[string]string
	maxMemory     int64
}

func (q *Queue) check(ctx context.Context) (server, error) {
	s, err := q.inspect(ctx)
	if err != nil {
		return s, fmt.Errorf("redis check: %w", err)
	}
	if err := s.usable(); err != nil {
		return s, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	lacks := s.lacks(q.config.AssumeDurable)
	if len(lacks) == 0 {
		return s, nil
	}
	if q.config.Profile == Strict {
		return s, fmt.Errorf("%w: %w", ErrUnfit, errors.Join(lacks...))
	}
	for _, lack := range lacks {
		q.config.Logger.Warn("redis may lose confirmed messages", "err", lack)
	}
	return s, nil
}

func (q *Queue) inspect(ctx context.Context) (server, error) {
	text, err := q.client.Do(ctx, q.client.B().Info().Build()).ToString()
	if err != nil {
		return server{}, err
	}
	info := parseInfo(text)
	s := server{version: info["redis_version"], role: info["role"], settings: map[string]string{}}
	names := []string{"maxmemory", "maxmemory-policy", "appendonly", "appendfsync"}
	got, err := q.client.Do(ctx, q.client.B().ConfigGet().Parameter(names...).Build()).AsStrMap()
	if err == nil {
		s.settings = got
	}
	// A managed Redis forbids CONFIG, or answers with nothing.
	fallback(s.settings, "maxmemory", info["maxmemory"])
	fallback(s.settings, "maxmemory-policy", info["maxmemory_policy"])
	fallback(s.settings, "appendonly", map[string]string{"1": "yes", "0": "no"}[info["aof_enabled"]])
	s.maxMemory, _ = strconv.ParseInt(s.settings["maxmemory"], 10, 64)
	return s, nil
}

func fallback(settings map[string]string, name, value string) {
	if settings[name] == "" {
		settings[name] = value
	}
}

// parseInfo reads the lines name:value of INFO.
func parseInfo(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[name] = value
		}
	}
	return m
}

// usable reports what no profile can do without.
func (s server) usable() error {
	major, _, _ := strings.Cut(s.version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return fmt.Errorf("redis is version %q: use Redis 7 or later, or Valkey 8", s.version)
	}
	if s.role != "" && s.role != "master" {
		return fmt.Errorf("redis is a %s: connect to the primary", s.role)
	}
	return nil
}

// lacks lists what stands against durability, each with its remedy.
func (s server) lacks(assume bool) (faults []error) {
	for _, want := range []struct{ name, value, why string }{
		{"appendonly", "yes", "a restart loses everything"},
		{"appendfsync", "always", "a crash may lose the last 2 s"},
		{"maxmemory-policy", "noeviction", "a full Redis deletes queued messages"},
	} {
		switch got := s.settings[want.name]; {
		case got == "" && !assume:
			faults = append(faults, fmt.Errorf("redis does not tell its %s: allow CONFIG GET, or set assume_durable if its operator promises %q", want.name, want.name+" "+want.value))
		case got != "" && got != want.value:
			faults = append(faults, fmt.Errorf("redis has %s %s, %s: put the line %q into redis.conf", want.name, got, want.why, want.name+" "+want.value))
		}
	}
	return faults
}
