package hostiletest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"sluice"
	"sluice/deploy"
	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/sluicetest"
)

// redisWithUsers starts a Redis with the shipped users, without TLS.
func redisWithUsers(t testing.TB, lines ...string) *testenv.Server {
	t.Helper()
	acl := filepath.Join(t.TempDir(), "users.acl")
	must(t, os.WriteFile(acl, nil, 0o600))
	server := testenv.Redis(t, testenv.Config(append(lines, "aclfile "+acl)...))
	loadUsers(t, server, acl)
	return server
}

// login returns a client of Redis.
func login(t testing.TB, server *testenv.Server, user, password string) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.Addr()}, Username: user, Password: password, ForceSingleClient: true, DisableCache: true,
	})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// ask logs in, sends a command on a connection of its own and returns the first line of
// the answer: no client library chooses what may be sent.
func ask(t testing.TB, server *testenv.Server, user, password string, words ...string) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	in := bufio.NewReader(conn)
	var line string
	for _, command := range [][]string{{"AUTH", user, password}, words} {
		text := fmt.Sprintf("*%d\r\n", len(command))
		for _, word := range command {
			text += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
		}
		_, err = io.WriteString(conn, text)
		must(t, err)
		line, err = in.ReadString('\n')
		must(t, err)
		if line[0] == '-' {
			break
		}
	}
	return strings.TrimSpace(line)
}

// The whole contract of the queue holds for the user that we ship, and Redis denies it
// nothing on the way.
func TestRedisUsers_RouterMayDoAllThatItNeeds(t *testing.T) {
	t.Parallel()
	server := redisWithUsers(t)
	var facilities atomic.Int64
	open := func(t *testing.T, o sluicetest.QueueOptions) *redisq.Queue {
		q, err := redisq.Open(t.Context(), redisq.Config{
			URL: server.URL(), User: "router", Password: routerPassword,
			Facility: fmt.Sprintf("plant-%d", facilities.Add(1)), DeadPerDevice: o.DeadPerDevice,
		})
		must(t, err)
		t.Cleanup(q.Close)
		return q
	}
	t.Run("suites", func(t *testing.T) {
		t.Run("queue", func(t *testing.T) {
			sluicetest.TestQueue(t, func(t *testing.T, o sluicetest.QueueOptions) sluice.Queue { return open(t, o) })
		})
		t.Run("devices", func(t *testing.T) {
			sluicetest.TestDevices(t, func(t *testing.T, o sluicetest.QueueOptions) sluicetest.Store { return open(t, o) })
		})
		t.Run("clients", func(t *testing.T) {
			sluicetest.TestClients(t, func(t *testing.T, o sluicetest.QueueOptions) sluicetest.Store { return open(t, o) })
		})
	})
	deniedNothing(t, server)
}

// deniedNothing wants Redis to have refused no command, key or channel.
func deniedNothing(t testing.TB, server *testenv.Server) {
	t.Helper()
	c := login(t, server, "overseer", "any")
	log, err := c.Do(t.Context(), c.B().Arbitrary("ACL", "LOG").Build()).ToArray()
	must(t, err)
	for _, entry := range log {
		fields, err := entry.AsMap()
		must(t, err)
		words := map[string]string{}
		for _, name := range []string{"reason", "context", "object", "username"} {
			field := fields[name]
			words[name], _ = field.ToString()
		}
		// A client library tells its own name and version, and takes no for an answer.
		if words["object"] != "client|setinfo" {
			t.Errorf("Redis has denied: %v", words)
		}
	}
}

// calls finds the commands of a script.
var calls = regexp.MustCompile(`redis\.p?call\(\s*'([A-Za-z]+)'`)

// What the scripts call is allowed, and nothing beside it: the list of the user is as
// short as it can be.
func TestRedisUsers_RouterMayCallWhatScriptsCall_NoMore(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	scripts, err := filepath.Glob("../../redisq/scripts/*.lua")
	must(t, err)
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		must(t, err)
		for _, call := range calls.FindAllStringSubmatch(string(text), -1) {
			wanted[strings.ToLower(call[1])] = true
		}
	}
	if len(wanted) < 20 {
		t.Fatalf("found the commands %v only", slices.Sorted(maps.Keys(wanted)))
	}
	// What the client itself sends.
	for _, name := range []string{"hello", "ping", "info", "config|get", "evalsha", "eval", "script|load", "publish", "subscribe", "unsubscribe"} {
		wanted[name] = true
	}
	granted := map[string]bool{}
	for line := range strings.Lines(deploy.RedisUsers()) {
		if !strings.HasPrefix(line, "user router ") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			if name, ok := strings.CutPrefix(word, "+"); ok {
				granted[name] = true
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(granted)), slices.Sorted(maps.Keys(wanted)); !slices.Equal(got, want) {
		t.Errorf("users.acl.in grants %q,\nwant %q", got, want)
	}
}

func TestRedisUsers_NobodyMayDoMore(t *testing.T) {
	t.Parallel()
	server := redisWithUsers(t, "enable-debug-command local") // so that the users alone forbid it
	if got := ask(t, server, "router", routerPassword, "SET", "sluice:{plant-1}:x", "1"); got != "+OK" {
		t.Fatalf("SET of our own key: %s", got)
	}
	ask(t, server, "overseer", "any", "SET", "other", "1")
	for _, words := range [][]string{
		{"DEBUG", "SLEEP", "0"},
		{"FLUSHALL"},
		{"FLUSHDB"},
		{"KEYS", "*"},
		{"SCAN", "0"},
		{"CONFIG", "SET", "appendonly", "no"},
		{"CONFIG", "REWRITE"},
		{"ACL", "LIST"},
		{"ACL", "SETUSER", "router", "+@all"},
		{"SHUTDOWN", "NOSAVE"},
		{"SAVE"},
		{"BGREWRITEAOF"},
		{"REPLICAOF", "127.0.0.1", "1"},
		{"MODULE", "LIST"},
		{"MONITOR"},
		{"CLIENT", "LIST"},
		{"CLIENT", "KILL", "TYPE", "normal"},
		{"SCRIPT", "FLUSH"},
		{"FUNCTION", "LIST"},
		{"SWAPDB", "0", "1"},
		{"SELECT", "1"},
		{"MIGRATE", "127.0.0.1", "1", "sluice:{plant-1}:x", "0", "1"},
		{"GET", "other"},
		{"SET", "other", "2"},
		{"DEL", "other"},
		{"RENAME", "sluice:{plant-1}:x", "other"},
		{"EVAL", "return redis.call('GET', 'other')", "0"},
		{"EVAL", "return redis.call('GET', KEYS[1])", "1", "other"},
		{"EVAL", "return redis.call('FLUSHALL')", "0"},
		{"SUBSCRIBE", "other"},
		{"PUBLISH", "other", "x"},
		{"PSUBSCRIBE", "sluice:*"},
	} {
		if got := ask(t, server, "router", routerPassword, words...); !denied(got) {
			t.Errorf("router: %q: got %q, want that it is denied", words, got)
		}
	}
	for _, words := range [][]string{{"GET", "sluice:{plant-1}:x"}, {"INFO"}, {"EVAL", "return 1", "0"}} {
		if got := ask(t, server, "ping", "any", words...); !denied(got) {
			t.Errorf("ping: %q: got %q, want that it is denied", words, got)
		}
	}
	for _, c := range [][2]string{{"default", ""}, {"default", "x"}, {"router", ""}, {"router", "wrong"}} {
		if got := ask(t, server, c[0], c[1], "PING"); !strings.HasPrefix(got, "-WRONGPASS") {
			t.Errorf("user %q with password %q: got %q, want that it is refused", c[0], c[1], got)
		}
	}
	for _, key := range []string{"other", "sluice:{plant-1}:x"} {
		if got := ask(t, server, "overseer", "any", "EVAL", "return tonumber(redis.call('GET', KEYS[1]))", "1", key); got != ":1" {
			t.Errorf("%s: got %q, want 1", key, got)
		}
	}
}

// denied tells whether an answer is one of the access list, to a command or to a script.
func denied(answer string) bool {
	return strings.HasPrefix(answer, "-NOPERM") || strings.Contains(answer, "The user executing the script can't")
}

// What scripts have written outlasts a restart of Redis. Loading its file, Redis 7.0 runs
// their transactions as the default user: one who may nothing would lose every message.
func TestRedisUsers_WhatScriptsWrote_OutlastsARestart(t *testing.T) {
	t.Parallel()
	server := redisWithUsers(t)
	const twice = "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('HINCRBY', KEYS[2], 'n', 1) return redis.call('LLEN', KEYS[1])"
	push := func() string {
		return ask(t, server, "router", routerPassword, "EVAL", twice, "2", "sluice:{plant-1}:a", "sluice:{plant-1}:b", "message")
	}
	if got := push(); got != ":1" {
		t.Fatalf("the first push: %s", got)
	}
	server.Stop(syscall.SIGTERM)
	server.Start()
	var got string
	testenv.Eventually(t, patience, func() error {
		if got = push(); strings.HasPrefix(got, "-LOADING") {
			return errors.New(got)
		}
		return nil
	})
	if got != ":2" {
		t.Errorf("a push after the restart: %s, want :2", got)
	}
	if got := ask(t, server, "default", "", "PING"); !strings.HasPrefix(got, "-WRONGPASS") {
		t.Errorf("the default user logs in: %s", got)
	}
}
