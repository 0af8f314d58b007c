package sluice

import "context"

// Handler receives batches. What Handle returns decides what becomes of the
// batch:
//
//   - nil: every message is done.
//   - *BatchError (also wrapped): the messages it names become dead letters, the
//     rest is done.
//   - Permanent(err): every message becomes a dead letter.
//   - Halt(err): an operator must act. The route keeps its batches and tries its
//     oldest again every few seconds.
//   - RetryAfter(err, d): the batch is tried again, whole, after d.
//   - any other error, or a panic: the batch is tried again, whole, after a
//     growing delay, for ever. Until then a route of concurrency 1 stands still.
//
// A handler may see a batch more than once (a process can die between Handle
// and the removal of the batch): same id, same messages. Make it idempotent, or
// use postgres.Once.
//
// ctx ends when the router shuts down and its grace has passed, or when the
// claim on the batch was lost; a handler must then return. Handle is called
// from several goroutines when the route's concurrency is above 1.
type Handler interface {
	Handle(ctx context.Context, b *Batch) error
}

// HandlerFunc adapts a function to a Handler.
type HandlerFunc func(ctx context.Context, b *Batch) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, b *Batch) error { return f(ctx, b) }

// Middleware wraps a handler with another.
type Middleware func(Handler) Handler
