package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// headerTimeout is how long a client may take for the headers of a request.
	headerTimeout = 10 * time.Second
	// idleTimeout is how long a connection may be open without a request.
	idleTimeout = 2 * time.Minute
	// maxHeaders is the size of a request's headers and URL, bytes: some 5000 names of
	// devices fit.
	maxHeaders = 64 << 10
)

// ServeOverHTTP answers on l, which it closes, until ctx ends: HTTP/1.1 and
// HTTP/2, under TLS when Config has it. It ends as Serve does; streams of events
// end as tails. Call it once.
func (s *Server) ServeOverHTTP(ctx context.Context, l net.Listener) error {
	services := s.services()
	defer services.Stop()
	routes, err := s.routes(services)
	if err != nil {
		_ = l.Close()
		return err
	}
	door := &httpDoor{next: routes, loopback: s.c.TLS == nil}
	defer door.close() // after it no handler reads the store any more
	server := s.httpServer(door)
	done := make(chan error, 1)
	go func() { done <- s.serveHTTP(server, l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	s.endTails()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.c.ShutdownTimeout)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // whoever still reads has had the time
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(s.c.TLS == nil)
	return &http.Server{
		Handler: h, Protocols: protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxCalls},
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(s.c.Logger.Handler(), slog.LevelDebug), // handshakes that strangers break off
	}
}

func (s *Server) serveHTTP(server *http.Server, l net.Listener) error {
	if s.c.TLS == nil {
		return server.Serve(l)
	}
	server.TLSConfig = s.c.TLS.config.Clone()
	return server.ServeTLS(l, "", "")
}

// httpDoor is what every request passes, admitted or not.
type httpDoor struct {
	next http.Handler
	// loopback: there is no TLS.
	loopback bool
	// open is read-locked by each request.
	open sync.RWMutex
}

// ServeHTTP implements http.Handler.
func (d *httpDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.open.TryRLock() {
		return
	}
	defer d.open.RUnlock()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin") // there are no CORS headers either
	switch {
	case !r.ProtoAtLeast(1, 1): // it could not tell an answer that was cut from a whole one
		refuse(w, http.StatusHTTPVersionNotSupported, "HTTP/1.0 is not served; use HTTP/1.1 or HTTP/2")
	case d.loopback && !loopbackHost(r.Host):
		refuse(w, http.StatusMisdirectedRequest, "the header Host names no loopback address; without api.tls use http://127.0.0.1 or http://localhost")
	default:
		patient := &patientWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		defer patient.hurry() // what is still in buffers is sent afterwards
		d.next.ServeHTTP(patient, r)
	}
}

// close waits for the requests and lets no more in.
func (d *httpDoor) close() { d.open.Lock() }
