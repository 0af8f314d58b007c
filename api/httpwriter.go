package api

import (
	"context"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// writeTimeout is how long one write may take: a reader that pauses is waited for,
// one that is gone is let go.
const writeTimeout = 5 * time.Minute

// patientWriter bounds each write, and not the time between two. It notes whether
// the answer has begun.
type patientWriter struct {
	http.ResponseWriter

	control *http.ResponseController
	begun   bool
	ended   atomic.Bool
}

// cutAtEnd has the end of ctx end a write that waits; none begins then. Call
// release before the handler returns.
func (p *patientWriter) cutAtEnd(ctx context.Context) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		p.ended.Store(true)
		_ = p.control.SetWriteDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// hurry bounds what is written from now on. An error means that the connection has
// no deadlines.
func (p *patientWriter) hurry() { _ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// rest: HTTP/2 would end an idle stream at its deadline.
func (p *patientWriter) rest() { _ = p.control.SetWriteDeadline(time.Time{}) }

// WriteHeader implements http.ResponseWriter.
func (p *patientWriter) WriteHeader(status int) {
	p.begun = true
	p.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (p *patientWriter) Write(b []byte) (int, error) {
	p.begun = true
	p.hurry()
	defer p.rest()
	if p.ended.Load() { // looked at after hurry, which could have undone the deadline of cutAtEnd
		return 0, os.ErrDeadlineExceeded
	}
	return p.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController.
func (p *patientWriter) FlushError() error {
	p.begun = true
	p.hurry()
	defer p.rest()
	if p.ended.Load() {
		return os.ErrDeadlineExceeded
	}
	return p.control.Flush()
}

// Flush implements http.Flusher.
func (p *patientWriter) Flush() { _ = p.FlushError() }

// Unwrap is for http.ResponseController.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
