package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"sluice/app"
	"sluice/config"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/store/postgres"
)

// freePort returns an address on which nobody listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// page returns the status and text of a page.
func page(t testing.TB, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func TestAPI_ServesRowsMetricsAndHealth(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	url := db.Database()
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
	if _, err := pool.Exec(t.Context(), "INSERT INTO data.sensor SELECT i, 1, 'd', 1, 1, 1700000000 + i FROM generate_series(1, 16) i"); err != nil {
		t.Fatal(err)
	}
	grpcAddress, web, pages := freePort(t), freePort(t), freePort(t)
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	text := fmt.Sprintf("store: {postgres: {url: %q}}\napi: {grpc: %q, http: %q, slow_query: 1ns}\nmetrics: {api: %q}\n", url, grpcAddress, web, pages)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, nil, app.APIConfig()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.NewAPI(c, slog.New(slog.NewTextHandler(t.Output(), nil))).Run(ctx) }()
	ready := func(want int) {
		t.Helper()
		testenv.Eventually(t, 30*time.Second, func() error {
			if status, body := page(t, "http://"+pages+"/readyz"); status != want {
				return fmt.Errorf("got %d, want %d: %s", status, want, body)
			}
			return nil
		})
	}
	ready(http.StatusOK)

	conn, err := grpc.NewClient(grpcAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := sluicev1.NewSluiceServiceClient(conn).QuerySensorRows(t.Context(), &sluicev1.QuerySensorRowsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := stream.Recv()
	if err != nil || len(chunk.GetChunk().GetEntryId()) != 16 {
		t.Errorf("got %v, %v, want 16 rows", chunk, err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
	if status, body := page(t, "http://"+web+"/v1/sensor?limit=2"); status != http.StatusOK || strings.Count(body, "\n") != 2 {
		t.Errorf("over HTTP: got %d, %s", status, body)
	}
	_, metrics := page(t, "http://"+pages+"/metrics")
	const method = `method="/sluice.v1.SluiceService/QuerySensorRows"`
	for _, want := range []string{
		`sluice_api_calls_total{code="OK",` + method + `} 1`, `sluice_api_rows_total{` + method + `} 16`,
		`sluice_api_call_seconds_count{` + method + `} 1`, `sluice_api_streams 0`,
		`sluice_api_calls_total{code="OK",method="GET /v1/sensor"} 1`, `sluice_api_rows_total{method="GET /v1/sensor"} 2`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if !regexp.MustCompile(`(?m)^sluice_api_slow_queries_total [1-9]`).MatchString(metrics) {
		t.Error("no statement took longer than 1 ns")
	}
	db.Kill()
	ready(http.StatusServiceUnavailable)
	if status, _ := page(t, "http://"+pages+"/livez"); status != http.StatusOK {
		t.Errorf("livez without a database: got %d", status)
	}
	db.Start()
	ready(http.StatusOK)

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}
