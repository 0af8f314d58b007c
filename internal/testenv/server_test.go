package testenv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/testenv"
)

func TestMosquitto_Restarts_KeepsQueuedMessages(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	host, port := hostPort(t, broker.Addr())
	subscribe := []string{"-h", host, "-p", port, "-V", "5", "-c", "-i", "reader", "-q", "1", "-t", "data", "-x", "3600"}

	mosquittoTool(t, "mosquitto_sub", append(subscribe, "-E")...)
	mosquittoTool(t, "mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-t", "data", "-m", "kept")
	broker.Stop(syscall.SIGTERM)
	broker.Start()
	got := mosquittoTool(t, "mosquitto_sub", append(subscribe, "-C", "1", "-W", "20")...)
	if got != "kept" {
		t.Errorf("after a restart: got %q, want %q", got, "kept")
	}

	broker.Kill()
	if _, err := net.Dial("tcp", broker.Addr()); err == nil {
		t.Error("a killed broker answers")
	}
	broker.Start()
}

func TestMosquitto_Users_AsksForThePassword(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t, testenv.Users(map[string]string{"router": "secret"}))
	host, port := hostPort(t, broker.Addr())
	publish := func(password string) error {
		return exec.CommandContext(t.Context(), tool(t, "mosquitto_pub"), "-h", host, "-p", port,
			"-q", "1", "-t", "x", "-m", "y", "-u", "router", "-P", password).Run()
	}
	if err := publish("secret"); err != nil {
		t.Errorf("with the right password: %v", err)
	}
	if err := publish("wrong"); err == nil {
		t.Error("with a wrong password: got no error")
	}
}

func TestRedis_Killed_KeepsWhatItAnswered(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	ask(t, server, "SET k v", "+OK")
	before := server.PID()
	server.Kill()
	if pid := server.PID(); pid != 0 {
		t.Errorf("PID after Kill: got %d, want 0", pid)
	}
	server.Start()
	if server.PID() == before {
		t.Error("the process is the same after Kill and Start")
	}
	ask(t, server, "GET k", "$1")
}

func TestRedis_RunsOnTheShippedConfiguration(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, testenv.Config("maxmemory 5mb"))
	info := ask(t, server, "INFO memory", "$")
	if !strings.Contains(info, "maxmemory:5242880") || !strings.Contains(info, "maxmemory_policy:noeviction") {
		t.Errorf("memory settings are not ours:\n%s", info)
	}
	if got := ask(t, server, "INFO persistence", "$"); !strings.Contains(got, "aof_enabled:1") {
		t.Errorf("the append-only file is off:\n%s", got)
	}
}

func TestRedis_Paused_AnswersAfterResume(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	server.Pause()
	fmt.Fprintf(conn, "PING\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused server: got %v, want a timeout", err)
	}
	server.Resume()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "+PONG\r\n" {
		t.Errorf("after Resume: got %q, %v", line, err)
	}

	server.Pause()
	server.Stop(syscall.SIGTERM) // must not hang
}

func TestPostgres_Killed_KeepsCommits(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	url := server.Database()
	query(t, url, "CREATE TABLE x AS SELECT 7 AS n")
	if pids := server.PIDs(); len(pids) < 2 || pids[0] != server.PID() {
		t.Errorf("PIDs: got %v, want the server %d and its children", pids, server.PID())
	}
	server.Kill()
	server.Start()
	if got := query(t, url, "SELECT n FROM x"); got != 7 {
		t.Errorf("after Kill: got %d, want 7", got)
	}
	server.Stop(syscall.SIGQUIT)
	server.Start()
	if got := query(t, url, "SELECT n FROM x"); got != 7 {
		t.Errorf("after an immediate stop: got %d, want 7", got)
	}
}

func TestPostgres_Paused_HoldsOpenSessions(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	conn, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))

	server.Pause()
	answer := make(chan error, 1) // the query's one result
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("a paused server answers: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	server.Resume()
	if err := <-answer; err != nil {
		t.Errorf("after Resume: %v", err)
	}
}

func TestDatabase_IsFreshEachTime(t *testing.T) {
	t.Parallel()
	first, second := testenv.Database(t), testenv.Database(t)
	query(t, first, "CREATE TABLE x AS SELECT 1")
	query(t, second, "CREATE TABLE x AS SELECT 1")
	if first == second {
		t.Errorf("two databases have one URL, %s", first)
	}
}

func TestServer_WrongConfiguration_SaysWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	_, err := testenv.StartRedis(t.Context(), t.TempDir(), testenv.Config("nonsense yes"))
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v, want the server's complaint about nonsense", err)
	}
}

func TestServer_MissingBinary_SaysWhatToInstall(t *testing.T) {
	// An empty PATH does not hide /usr/sbin; a name that nobody has does.
	_, err := testenv.FindBinary("sluice-no-such-server")
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y mosquitto redis-server postgresql") {
		t.Errorf("got %v, want the command that installs the servers", err)
	}
}

func TestStart_AgainInTheSameDirectory_FindsItsData(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	for round := range 2 {
		env, err := testenv.Start(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		query(t, env.Postgres.URL(), "CREATE TABLE IF NOT EXISTS x (n int)")
		query(t, env.Postgres.URL(), "INSERT INTO x VALUES (1)")
		if got := query(t, env.Postgres.URL(), "SELECT count(*) FROM x"); got != int64(round+1) {
			t.Errorf("round %d: got %d rows, want %d", round, got, round+1)
		}
		if err := env.Close(); err != nil {
			t.Error(err)
		}
		for _, addr := range []string{env.Mosquitto.Addr(), env.Redis.Addr(), env.Postgres.Addr()} {
			if _, err := net.Dial("tcp", addr); err == nil {
				t.Errorf("%s answers after Close", addr)
			}
		}
	}
}

// publicDir is t.TempDir, but reachable for PostgreSQL's user.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Clean(dir)
}

// query runs a statement and returns its first value as a number, if it has one.
func query(t *testing.T, url, sql string) int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var n int64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// ask sends one inline command to Redis and returns the answer, whose first line
// must begin with want.
func ask(t *testing.T, server *testenv.Server, command, want string) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "%s\r\n", command)
	buf := make([]byte, 64<<10)
	n, err := conn.Read(buf)
	if got := string(buf[:n]); err == nil && strings.HasPrefix(got, want) {
		return got
	}
	t.Fatalf("%s: got %q, %v, want %q", command, buf[:n], err, want)
	return ""
}

func hostPort(t *testing.T, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run `make deps`, or `apt-get install -y mosquitto-clients` as root", name)
	}
	return path
}

// mosquittoTool runs one of Mosquitto's clients and returns what it prints.
func mosquittoTool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}
