package notify

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that must not be seen: fmt with every verb, slog, JSON and
// every other encoder that knows text print "[redacted]", or nothing when there
// is no secret. The zero value is no secret. Safe to copy and to share.
type Secret struct {
	// A pointer, because fmt cannot call methods on unexported fields of other
	// structs and would print what it finds: an address, not the text.
	text *string
}

// NewSecret returns s as a secret; "" is no secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the text itself, "" for none.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// String returns "[redacted]" or "".
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return "[redacted]"
}

// Format prints String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is for encoding/json and all encoders that know text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
