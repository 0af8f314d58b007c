package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
)

// SlowLog logs statements that take long, one line each at Warn. A statement
// lasts from when it has a connection until its rows are closed, so that a slow
// reader of rows counts too. Safe for concurrent use.
type SlowLog struct {
	// Over is how long a statement may take without being logged. 0 or less: none
	// is logged.
	Over time.Duration
	// Logger gets the lines. Required.
	Logger *slog.Logger
	// Count is called for each line. It is called by many goroutines at once and must
	// not wait. Default: nobody is told.
	Count func()
}

// Watch is a PoolOption: it has the statements of a pool logged.
func (s SlowLog) Watch(c *pgxpool.Config) {
	if s.Over > 0 {
		c.ConnConfig.Tracer = slowTracer{s}
	}
}

// slowTracer implements pgx.QueryTracer.
type slowTracer struct{ log SlowLog }

// started is a statement under way.
type started struct {
	at   time.Time
	sql  string
	args []any
}

type startedKey struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (t slowTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	s := &started{at: time.Now(), sql: q.SQL, args: q.Args}
	return context.WithValue(ctx, startedKey{}, s) //nolint:forbidigo // pgx hands over nothing else from start to end
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t slowTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	s, ok := ctx.Value(startedKey{}).(*started)
	if !ok {
		return
	}
	took := time.Since(s.at)
	if took <= t.log.Over {
		return
	}
	attrs := []slog.Attr{
		slog.String("statement", firstLine(s.sql)), slog.Duration("took", took), slog.String("args", harmless(s.args)),
	}
	if q.Err != nil {
		attrs = append(attrs, slog.Any("err", q.Err))
	} else {
		attrs = append(attrs, slog.Int64("rows", q.CommandTag.RowsAffected()))
	}
	t.log.Logger.LogAttrs(ctx, slog.LevelWarn, "slow statement", attrs...)
	if t.log.Count != nil {
		t.log.Count()
	}
}

const (
	// maxStatement is how many bytes of a statement are logged.
	maxStatement = 120
	// maxElements is how many elements of a list are logged.
	maxElements = 5
)

// firstLine returns the name of a prepared statement or the first line of SQL that
// is not empty.
func firstLine(sql string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(sql), "\n")
	if len(line) > maxStatement {
		line = strings.ToValidUTF8(line[:maxStatement], "") + "..."
	}
	return line
}

// harmless writes the arguments of a statement, of which only numbers, times and
// names may be read in a log; of anything else it writes the type and the size.
func harmless(args []any) string {
	var words []string
	for _, a := range args {
		if _, ok := a.(pgx.QueryExecMode); !ok { // no argument, but how to send them
			words = append(words, argText(a))
		}
	}
	return strings.Join(words, ", ")
}

func argText(arg any) string {
	switch a := arg.(type) {
	case nil, bool, int, int32, int64, float32, float64, time.Duration:
		return fmt.Sprint(a)
	case time.Time:
		return a.UTC().Format(time.RFC3339Nano)
	case string:
		if a == "" || sluice.ValidName(a) {
			return fmt.Sprintf("%q", a)
		}
		return fmt.Sprintf("string(%d)", len(a))
	case []byte:
		return fmt.Sprintf("bytes(%d)", len(a))
	case []int32:
		return listText(a)
	case []string:
		return listText(a)
	}
	return fmt.Sprintf("%T", arg)
}

// listText writes the first elements of a list, and how many more there are.
func listText[T any](all []T) string {
	var words []string
	for _, e := range all[:min(len(all), maxElements)] {
		words = append(words, argText(e))
	}
	if more := len(all) - maxElements; more > 0 {
		words = append(words, fmt.Sprintf("%d more", more))
	}
	return "[" + strings.Join(words, " ") + "]"
}
