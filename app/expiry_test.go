package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/config"
	"sluice/internal/certtest"
)

// The end of a certificate is shown as its file has it now, once for each file.
func TestEnds_FollowTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := certtest.New(t)
	file := filepath.Join(dir, "router.crt")
	c := &config.Config{}
	c.Broker.Cert, c.Queue.Redis.Cert = file, file
	c.Listen.Addresses = []config.ListenAddress{{TLS: config.ServerTLSFiles{Cert: filepath.Join(dir, "door.crt")}}}
	registry := prometheus.NewRegistry()
	ends(registry, routerCertificates(c)...)

	line := func(name string, end int64) string {
		return fmt.Sprintf("sluice_certificate_end_timestamp_seconds{file=%q} %s", filepath.Join(dir, name), strconv.FormatFloat(float64(end), 'g', -1, 64))
	}
	shows := func(want ...string) {
		t.Helper()
		if got := scrape(t, registry); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	shows(line("door.crt", 0), line("router.crt", 0))
	first := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	authority.Issue(t, dir, "router", first)
	if err := os.WriteFile(filepath.Join(dir, "door.crt"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows(line("door.crt", 0), line("router.crt", first.Unix()))
	later := first.Add(24 * time.Hour)
	authority.Issue(t, dir, "router", later)
	shows(line("door.crt", 0), line("router.crt", later.Unix()))
}
