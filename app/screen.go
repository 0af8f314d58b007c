package app

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/lmittmann/tint"
)

// screen is a terminal whose last line is rewritten, below a log that grows. Where
// there is no terminal there is no such line. Safe for concurrent use.
type screen struct {
	out      io.Writer
	terminal bool

	mu   sync.Mutex
	line string // the last line as it stands; "" for none
}

func newScreen(out io.Writer, terminal bool) *screen { return &screen{out: out, terminal: terminal} }

// clear is what removes the line from a terminal.
const clear = "\r\x1b[K"

// logger returns a log to w: on a terminal short coloured lines above the last line.
func (s *screen) logger(w io.Writer, level slog.Level) *slog.Logger {
	if !s.terminal {
		return NewLogger(w, "up", level)
	}
	return slog.New(tint.NewTextHandler(above{s, w}, &tint.Options{Level: level, TimeFormat: time.TimeOnly}))
}

// above writes to the terminal above the last line.
type above struct {
	screen *screen
	w      io.Writer
}

// Write implements io.Writer.
func (a above) Write(b []byte) (int, error) {
	s := a.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == "" {
		return a.w.Write(b)
	}
	fmt.Fprint(s.out, clear)
	n, err := a.w.Write(b)
	fmt.Fprint(s.out, s.line)
	return n, err
}

// tell writes text above the last line.
func (s *screen) tell(text string) { fmt.Fprint(above{s, s.out}, text) }

// show makes line the last line.
func (s *screen) show(line string) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.out, clear+line)
	s.line = line
}

// leave lets what follows begin on a line of its own.
func (s *screen) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != "" {
		fmt.Fprintln(s.out)
	}
	s.line = ""
}
