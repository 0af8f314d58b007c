package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"sluice/app"
	"sluice/config"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// startAPI runs an api on 20 000 readings until the test ends, and returns its
// configuration and the database.
func startAPI(t *testing.T) (path string, pool *pgxpool.Pool) {
	t.Helper()
	url := testenv.Database(t)
	if _, _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.NewPool(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := postgres.Facility(t.Context(), pool, "plant-1"); err != nil {
		t.Fatal(err)
	}
	change(t, pool, "INSERT INTO data.sensor SELECT i, 1, 'dev-' || i % 7, i, 50, 1700000000 + i FROM generate_series(1, 20000) i")
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	path = filepath.Join(t.TempDir(), "sluice.yaml")
	text := fmt.Sprintf("store: {postgres: {url: %q}}\napi: {grpc: %q, http: off}\nmetrics: {api: off}\n", url, addr)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, path, addr)
	return path, pool
}

func serve(t *testing.T, path, addr string) {
	t.Helper()
	conf, err := config.Load(path, nil, app.APIConfig()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.NewAPI(conf, slog.New(slog.NewTextHandler(t.Output(), nil))).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestBenchAPI(t *testing.T) {
	t.Parallel()
	path, pool := startAPI(t)
	bench := func(args ...string) (status int, stdout, stderr string) {
		var out, errs bytes.Buffer
		args = append([]string{"-c", path, "bench", "api", "--runs", "1"}, args...)
		status = run(args, &out, &errs)
		return status, out.String(), errs.String()
	}
	status, out, errs := bench("--from", "1700000101", "--to", "1700000201", "--devices", "dev-1,dev-2", fmt.Sprintf("--pid=api=%d", os.Getpid()))
	if status != app.ExitOK || strings.Count(out, "  20000  ") != 3 || strings.Count(out, "  100  ") != 3 || !strings.Contains(out, "ok: every stream") {
		t.Fatalf("got status %d\n%s%s", status, out, errs)
	}

	change(t, pool, "DELETE FROM data.sensor WHERE entry_id = 12345")
	status, out, _ = bench()
	const want = "FAILED: GetSensorRows: facility 1: row 12346 (dev-5, 1700012346) comes after row 12344 (dev-3, 1700012344)"
	if status != app.ExitFailed || !strings.Contains(out, want) || !strings.Contains(out, "FAILED: QuerySensorRows: ") {
		t.Errorf("a row was deleted: got status %d\n%s", status, out)
	}
}

func TestBenchAPI_Usage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(path, []byte("store: {postgres: {url: postgres://127.0.0.1:1/x}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--runs", "0"}, app.ExitUsage, "--runs: use 1 or more"},
		{[]string{"--devices", "a"}, app.ExitUsage, "devices without a time range"},
		{[]string{"--pid", "api"}, app.ExitUsage, "write NAME=PID"},
		{[]string{"--cert", "a"}, app.ExitFailed, "[key]"},
		{[]string{"--target", "localhost", "--ca", "none"}, app.ExitUsage, "--target: "},
		{[]string{"--target", "127.0.0.1:1"}, app.ExitFailed, "psql"},
	} {
		var errs bytes.Buffer
		if status := run(append([]string{"-c", path, "bench", "api"}, tt.args...), io.Discard, &errs); status != tt.status || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%q: got status %d, want %d\n%s", tt.args, status, tt.status, &errs)
		}
	}
}
