package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// endpoint answers GET requests of a path with a stream. answer returns the number
// of readings sent; it may write until it returns, and not after an error.
type endpoint struct {
	s      *Server
	path   string
	answer func(ctx context.Context, w *patientWriter, r *http.Request) (rows int64, err error)
}

// ServeHTTP implements http.Handler. An answer that fails after its beginning is
// cut, so that nobody takes it for a whole one.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, r.Method+" is not allowed; use GET")
		return
	}
	e.s.streams.Add(1)
	defer e.s.streams.Add(-1)
	began, ctx, patient := time.Now(), callContext(r), w.(*patientWriter)
	rows, err := e.run(ctx, patient, r)
	if errors.Is(err, errSlow) || errors.Is(err, errEnding) {
		ctx = context.WithoutCancel(ctx) // it was the cut that ended ctx
	}
	err = e.s.end(ctx, Call{Method: "GET " + e.path, Rows: rows, Took: time.Since(began)}, err)
	switch {
	case err == nil:
	case patient.begun:
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to cut an answer
	default:
		writeError(patient, err)
	}
}

func (e *endpoint) run(ctx context.Context, w *patientWriter, r *http.Request) (rows int64, err error) {
	reader, err := e.s.reader(ctx)
	if err != nil {
		return 0, err
	}
	leave, err := e.s.limit.enter(reader.name)
	if err != nil {
		return 0, err
	}
	defer leave()
	return e.answer(ctx, w, r)
}

// admitted lets only those in that reader knows. Who is refused is told how to
// log in, which an error of gRPC does not.
func (s *Server) admitted(method string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := callContext(r)
		if _, err := s.reader(ctx); err != nil {
			writeError(w, s.end(ctx, Call{Method: method}, err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// callContext is the context of a request as grpc.Server.ServeHTTP has it: the
// caller is who the connection and the headers say.
func callContext(r *http.Request) context.Context {
	p := &peer.Peer{}
	if r.TLS != nil {
		p.AuthInfo = credentials.TLSInfo{State: *r.TLS}
	}
	ctx := peer.NewContext(r.Context(), p)
	return metadata.NewIncomingContext(ctx, metadata.MD{"authorization": r.Header["Authorization"]})
}
