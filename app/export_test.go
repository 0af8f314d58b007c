package app

import (
	"context"
	"io"
	"log/slog"
)

// ListenAdmin is listenAdmin for the tests.
var ListenAdmin = listenAdmin

// Part and RunParts are part and runParts for the tests.
type Part = part

// NewPart makes a Part.
func NewPart(name string, run func(context.Context) error) Part { return Part{name, run} }

// RunParts is runParts for the tests.
var RunParts = runParts

// NewScreen is newScreen for the tests.
var NewScreen = newScreen

// Logger is logger for the tests.
func (s *screen) Logger(w io.Writer, level slog.Level) *slog.Logger { return s.logger(w, level) }

// Show is show for the tests.
func (s *screen) Show(line string) { s.show(line) }

// Leave is leave for the tests.
func (s *screen) Leave() { s.leave() }
