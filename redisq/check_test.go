package redisq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sluice"
	"sluice/internal/queuetest"
	"sluice/internal/testenv"
	"sluice/redisq"
)

func TestOpen_ChecksDurability(t *testing.T) {
	t.Parallel()
	durable, volatile := testenv.Redis(t), testenv.Redis(t, testenv.Config("appendonly no"))
	for _, server := range []*testenv.Server{durable, volatile} {
		do(t, connect(t, server), "ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-config")
	}
	for _, test := range []struct {
		name     string
		volatile bool
		settings []string
		config   redisq.Config
		refused  []string // what the error says; nil: accepted
		warned   string
	}{
		{name: "durable"},
		{name: "everysec", settings: []string{"appendfsync", "everysec"}, refused: []string{`"appendfsync always"`}},
		{name: "several", volatile: true, settings: []string{"maxmemory-policy", "allkeys-lru"}, refused: []string{`"appendonly yes"`, `"maxmemory-policy noeviction"`}},
		{name: "everysec fast", settings: []string{"appendfsync", "everysec"}, config: redisq.Config{Profile: redisq.Fast}, warned: "appendfsync always"},
		{name: "hidden", config: redisq.Config{User: "limited", Password: "secret"}, refused: []string{"appendfsync", "assume_durable"}},
		{name: "hidden, assumed", config: redisq.Config{User: "limited", Password: "secret", AssumeDurable: true}},
		{name: "seen to be bad, assumed", volatile: true, config: redisq.Config{User: "limited", Password: "secret", AssumeDurable: true}, refused: []string{`"appendonly yes"`}},
		{name: "wrong password", config: redisq.Config{User: "limited", Password: "hunter2"}, refused: []string{durable.Addr(), "password"}},
		{name: "bad facility", config: redisq.Config{Facility: "a}b"}, refused: []string{`"a}b"`}},
		{name: "bad profile", config: redisq.Config{Profile: "loose"}, refused: []string{"strict", "fast"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := durable
			if test.volatile {
				server = volatile
			}
			raw := connect(t, server)
			do(t, raw, "CONFIG", "SET", "appendfsync", "always", "maxmemory-policy", "noeviction")
			if len(test.settings) > 0 {
				do(t, raw, append([]string{"CONFIG", "SET"}, test.settings...)...)
			}
			var log bytes.Buffer
			c := test.config
			c.URL, c.Logger = server.URL(), slog.New(slog.NewTextHandler(&log, nil))
			if c.Facility == "" {
				c.Facility = "plant"
			}
			q, err := redisq.Open(t.Context(), c)
			if err == nil {
				q.Close()
			}
			if (err == nil) != (test.refused == nil) {
				t.Fatalf("got error %v, want one of %q", err, test.refused)
			}
			for _, words := range test.refused {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("got error %q, want it to say %s", err, words)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
			if got := log.String(); !strings.Contains(got, test.warned) || (test.warned == "") != (got == "") {
				t.Errorf("logged %q, want a warning of %q", got, test.warned)
			}
		})
	}
}

func TestOpen_OfReplica_IsRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	do(t, connect(t, server), "REPLICAOF", "127.0.0.1", "1")
	_, err := redisq.Open(t.Context(), redisq.Config{URL: server.URL(), Facility: "plant"})
	if err == nil || !strings.Contains(err.Error(), "primary") {
		t.Fatalf("got error %v, want it to ask for the primary", err)
	}
}

func TestOpen_OfNothing_SaysWhere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ url, says string }{
		{"redis://:hunter2@127.0.0.1:1", "127.0.0.1:1"},
		{"redis://:hunter2@127.0.0.1:port", "redis://host:port/db"},
		{"http://:hunter2@127.0.0.1", "redis://host:port/db"},
		{"", "redis://host:port/db"},
	} {
		_, err := redisq.Open(t.Context(), redisq.Config{URL: test.url, Facility: "plant"})
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got error %v, want it to say %s and no password", test.url, err, test.says)
		}
	}
}

func TestOpen_OfPausedRedis_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := redisq.Open(ctx, redisq.Config{URL: server.URL(), Facility: "plant"}); err == nil {
		t.Fatal("opened a paused Redis")
	}
	server.Resume()
}

func TestOpen_LimitIsPartOfMaxmemory(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("maxmemory 64mb"))
	s := queuetest.NewSession(t, open(t, server, redisq.Config{}))
	const limit = 64 << 20 / 10 * 8
	_, err := s.Q.Append(t.Context(), s.Group(queuetest.BySize(10, sluice.Never), strings.Repeat("x", limit)))
	if !errors.Is(err, sluice.ErrFull) || !strings.Contains(err.Error(), fmt.Sprint(limit)) {
		t.Errorf("group of %d bytes: got error %v, want ErrFull at that limit", limit, err)
	}
}
