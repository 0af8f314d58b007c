package app_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"sluice/app"
)

func TestScreen_LogStandsAboveTheLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := app.NewScreen(&out, true)
	log := s.Logger(&out, slog.LevelInfo)
	s.Show("1 reading")
	log.Info("a device went down")
	s.Show("2 readings")
	s.Leave()
	lines := strings.Split(out.String(), "\r\x1b[K")
	if len(lines) != 4 || lines[1] != "1 reading" || !strings.Contains(lines[2], "a device went down") ||
		!strings.HasSuffix(lines[2], "\n1 reading") || lines[3] != "2 readings\n" {
		t.Errorf("got %q", lines)
	}
}

func TestScreen_NoTerminal_HasNoLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := app.NewScreen(&out, false)
	s.Show("1 reading")
	s.Leave()
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
}
