package postgres

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/testenv"
)

// watched returns a pool whose slow statements go to the text, and their number.
func watched(t testing.TB, over time.Duration) (*pgxpool.Pool, *bytes.Buffer, *atomic.Int64) {
	t.Helper()
	var text bytes.Buffer
	var count atomic.Int64
	log := SlowLog{Over: over, Logger: slog.New(slog.NewTextHandler(&text, nil)), Count: func() { count.Add(1) }}
	pool, err := NewPool(t.Context(), testenv.Database(t), log.Watch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, &text, &count
}

func TestSlowLog_TellsStatementTimeRowsAndNoPayload(t *testing.T) {
	t.Parallel()
	pool, text, count := watched(t, time.Second) // a busy machine may take a tenth for a quick one
	exec(t, pool, "SELECT 1")
	if text.Len() > 0 || count.Load() != 0 {
		t.Fatalf("a quick statement is logged: %s", text)
	}
	const sql = `
SELECT $1::text, $2::bytea, $3::int[]
FROM pg_sleep(1.1), generate_series(1, 3)`
	exec(t, pool, sql, planned, "secret text of 26 letters.", []byte("hidden"), []int32{7, 8})
	for _, want := range []string{
		"level=WARN", `msg="slow statement"`, `statement="SELECT $1::text, $2::bytea, $3::int[]"`, "rows=3",
		`args="string(26), bytes(6), [7 8]"`, "took=",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got %s, want %s in it", text, want)
		}
	}
	for _, payload := range []string{"secret", "hidden", "FROM", "err="} {
		if strings.Contains(text.String(), payload) {
			t.Errorf("got %s, want no %q in it", text, payload)
		}
	}
	if n := count.Load(); n != 1 {
		t.Errorf("got a count of %d, want 1", n)
	}
}

func TestSlowLog_TellsHowItFailed(t *testing.T) {
	t.Parallel()
	pool, text, count := watched(t, 100*time.Millisecond)
	exec(t, pool, "SELECT 1") // the connection is there before the time runs
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := pool.Exec(ctx, "SELECT pg_sleep(60)"); err == nil {
		t.Fatal("no error")
	}
	if got := text.String(); !strings.Contains(got, "err=") || strings.Contains(got, "rows=") || count.Load() != 1 {
		t.Errorf("got %s, want the error and no rows, once", got)
	}
}

func TestSlowLog_ZeroIsOff(t *testing.T) {
	t.Parallel()
	pool, text, count := watched(t, 0)
	exec(t, pool, "SELECT pg_sleep(0.01)")
	if text.Len() > 0 || count.Load() > 0 {
		t.Errorf("got %s, want nothing", text)
	}
}

func TestHarmless(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		args []any
		want string
	}{
		"numbers":     {[]any{planned, int32(1), int64(-2), 3, 1.5, true, nil}, "1, -2, 3, 1.5, true, <nil>"},
		"times":       {[]any{at, time.Second}, "2026-01-02T03:04:05Z, 1s"},
		"names":       {[]any{"d-1", "", []string{"a", "b"}}, `"d-1", "", ["a" "b"]`},
		"other text":  {[]any{"two words", strings.Repeat("x", 65), []string{"a b"}}, "string(9), string(65), [string(3)]"},
		"long lists":  {[]any{[]int32{1, 2, 3, 4, 5, 6, 7}}, "[1 2 3 4 5 2 more]"},
		"other types": {[]any{[]byte("abc"), struct{ Secret string }{"s"}, new(string)}, "bytes(3), struct { Secret string }, *string"},
	} {
		if diff := cmp.Diff(tt.want, harmless(tt.args)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFirstLine(t *testing.T) {
	t.Parallel()
	long := "SELECT " + strings.Repeat("é", maxStatement)
	for sql, want := range map[string]string{
		"\n SELECT 1\nFROM t": "SELECT 1",
		"by_name":             "by_name",
		"":                    "",
		long:                  "SELECT " + strings.Repeat("é", 56) + "...",
	} {
		if got := firstLine(sql); got != want {
			t.Errorf("%q: got %q, want %q", sql, got, want)
		}
	}
}
