package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/app"
	"sluice/internal/apptest"
)

// readme returns the first fenced block of the README, of a language, that
// contains a text.
func readme(t *testing.T, language, contains string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		if block, _, ok := strings.Cut(part, "```"); ok && strings.Contains(block, contains) {
			return block
		}
	}
	t.Fatalf("the README has no %s block with %q", language, contains)
	return ""
}

// The README's line by which programs that know nothing of Sluice publish a
// reading.
func TestReadme_ReadingOfOtherProgramsIsOneRow(t *testing.T) {
	t.Parallel()
	script := readme(t, "sh", "protoc --encode")
	site := apptest.New(t, apptest.Site{})
	router := site.Start(t, app.DefaultSinks())
	router.AwaitLeading(t)

	const port = "-p 1883"
	if !strings.Contains(script, port) {
		t.Fatalf("got %s, want %q in it", script, port)
	}
	_, own, err := net.SplitHostPort(site.Broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	proto, err := filepath.Abs("../../proto")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(proto, filepath.Join(dir, "proto")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(script, port, "-p "+own))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	router.AwaitStored(t, "data/sensor", 1)
	const mine = "SELECT count(*) FROM data.sensor WHERE device = 'greenhouse-7' AND temp = 21.5::real AND rh = 40.2::real"
	if n := site.Count(t, mine); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
}

func TestReadme_SnippetIsPartOfTheCompiledExample(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(readme(t, "go", "sluice.NewMux")) {
		if !strings.Contains(string(example), "\t"+line) {
			t.Errorf("example_test.go has no line %s", line)
		}
	}
}
