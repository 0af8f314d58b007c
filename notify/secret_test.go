package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecret_PrintsNothingOfItself(t *testing.T) {
	t.Parallel()
	const hidden = "hunter2"
	s := NewSecret(hidden)
	type inside struct{ secret Secret }
	for name, v := range map[string]any{"value": s, "pointer": &s, "unexported": inside{s}, "list": []Secret{s}, "map": map[string]Secret{"k": s}} {
		for _, verb := range "vsdqxXp" {
			for _, flags := range []string{"", "+", "#"} {
				format := "%" + flags + string(verb)
				if got := fmt.Sprintf(format, v); strings.Contains(got, hidden) || strings.Contains(got, fmt.Sprintf("%x", hidden)) {
					t.Errorf("%s as %s: %s", name, format, got)
				}
			}
		}
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
		text, err := json.Marshal(v)
		if err != nil || strings.Contains(logged.String()+string(text), hidden) {
			t.Errorf("%s: log %s, JSON %s (%v)", name, logged.String(), text, err)
		}
	}
}

func TestSecret_KeepsItsText(t *testing.T) {
	t.Parallel()
	if s := NewSecret("x"); s.Reveal() != "x" || s.IsZero() || s.String() != "[redacted]" {
		t.Errorf("got %q, zero %t, %q", s.Reveal(), s.IsZero(), s.String())
	}
	if s := NewSecret(""); s.Reveal() != "" || !s.IsZero() || s.String() != "" || s != (Secret{}) {
		t.Errorf("got %q, zero %t, %q", s.Reveal(), s.IsZero(), s.String())
	}
}
