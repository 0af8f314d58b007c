package app

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"sluice/api"
)

// apiListeners are where an api listens; nil is off.
type apiListeners struct{ grpc, http, pages net.Listener }

// listen opens all listeners or none.
func (s *API) listen(ctx context.Context) (l apiListeners, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.pages, err = listenHTTP(ctx, s.config.Metrics.API, "api"); err != nil {
		return l, err
	}
	if l.grpc, err = new(net.ListenConfig).Listen(ctx, "tcp", s.config.API.GRPC); err != nil {
		return l, fmt.Errorf("api.grpc: %w", err)
	}
	if s.config.API.HTTP == "" {
		return l, nil
	}
	if l.http, err = new(net.ListenConfig).Listen(ctx, "tcp", s.config.API.HTTP); err != nil {
		return l, fmt.Errorf("api.http: %w", err)
	}
	return l, nil
}

func (l apiListeners) close() {
	for _, one := range []net.Listener{l.grpc, l.http, l.pages} {
		if one != nil {
			one.Close()
		}
	}
}

// serve answers calls until ctx ends, and returns when all have ended.
func (s *API) serve(ctx context.Context, server *api.Server, l apiListeners) error {
	s.log.Info("started", "grpc", l.grpc.Addr().String(), "http", s.config.API.HTTP, "tls", s.config.API.TLS.Given())
	defer s.log.Info("stopped")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Serve(ctx, l.grpc) })
	if l.http != nil {
		g.Go(func() error { return server.ServeOverHTTP(ctx, l.http) })
	}
	return g.Wait()
}
