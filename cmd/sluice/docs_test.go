package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"sluice/app"
	"sluice/config"
)

// What docs/certs.md tells people to type works, in that order, and so does its
// configuration with the files that this makes.
func TestDocs_Certs(t *testing.T) {
	text, err := os.ReadFile("../../docs/certs.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	blocks := regexp.MustCompile("(?s)```(sh|yaml)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	ran := map[string]int{}
	for _, block := range blocks {
		ran[block[1]]++
		if block[1] == "yaml" {
			loads(t, block[2])
			continue
		}
		for line := range strings.Lines(block[2]) {
			types(t, strings.Fields(line))
		}
	}
	if ran["sh"] != 3 || ran["yaml"] != 1 {
		t.Errorf("ran %v blocks, want 3 of sh and 1 of yaml", ran)
	}
}

func types(t *testing.T, words []string) {
	t.Helper()
	if words[0] != "sluice" {
		t.Fatalf("%q is not our command", words)
	}
	var stdout, stderr bytes.Buffer
	if code := run(words[1:], &stdout, &stderr); code != app.ExitOK {
		t.Errorf("%q: exit status %d: %s", words, code, stderr.String())
	}
}

func loads(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(config.DefaultPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load("", nil, config.Sinks(app.DefaultSinks().Names()...)); err != nil {
		t.Error(err)
	}
}
