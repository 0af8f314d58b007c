package api

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"sluice/gen/service"
	"sluice/gen/sluicev1"
)

// Config has what a Server needs; all but Store has a default.
type Config struct {
	// Store is where rows are read.
	Store Store
	// TLS has the server known and its clients; see ServerTLS. Nil: plain text, and
	// everybody may read everything.
	TLS *TLS
	// Clients says what each client may read, under TLS.
	Clients Clients
	// Users says what each user may read, over HTTP under TLS.
	Users Users
	// Unavailable tells errors of the store that say that the database is away.
	// Default: none.
	Unavailable func(error) bool
	// Observe is told of each call that has ended. It is called by many goroutines
	// at once and must not wait. Default: nobody is told.
	Observe func(Call)
	// PageTimeout is how long the store may take for one page. Default 60 s.
	PageTimeout time.Duration
	// ShutdownTimeout is how long calls may go on after the end of Serve's ctx.
	// Default 8 s.
	ShutdownTimeout time.Duration
	// Poll is how often the counters of stored readings are looked at while there are
	// tails, so how late a reading may come. Default 200 ms.
	Poll time.Duration
	// Mark is how often, at most, a tail without rows that match tells how far it has
	// come. Default 10 s.
	Mark time.Duration
	// EventPoll is how often changes of devices, outages and routes are looked for
	// while there are streams of events, so how late one may come. Default 1 s.
	EventPoll time.Duration
	// MaxStreams is how many streams a reader may have open, over all its
	// connections; without TLS all readers are one. Default 100.
	MaxStreams int
	// Logger gets errors that clients only see as Internal or Unavailable. Default:
	// discarded.
	Logger *slog.Logger
}

func (c *Config) setDefaults() {
	if c.Unavailable == nil {
		c.Unavailable = func(error) bool { return false }
	}
	if c.Observe == nil {
		c.Observe = func(Call) {}
	}
	if c.PageTimeout == 0 {
		c.PageTimeout = 60 * time.Second
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = 8 * time.Second
	}
	if c.Poll == 0 {
		c.Poll = 200 * time.Millisecond
	}
	if c.Mark == 0 {
		c.Mark = 10 * time.Second
	}
	if c.EventPoll == 0 {
		c.EventPoll = time.Second
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 100
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Server answers over gRPC and over HTTP.
type Server struct {
	sluicev1.UnimplementedSluiceServiceServer
	service.UnimplementedQueryServer

	c       Config
	grpc    *grpc.Server
	health  *health.Server
	streams atomic.Int64
	limit   *streamLimit
	poller  *poller
	changes *changes
	// ending ends with endTails, and all tails and streams of events with it.
	ending   context.Context
	endTails context.CancelFunc
}

const (
	// maxCalls is how many calls one connection may have open beside MaxStreams; more
	// wait. gRPC's default is no limit.
	maxCalls = 100
	// maxRequest is the size of a request, bytes: 10000 names of devices fit.
	maxRequest = 1 << 20
	// handshakeTimeout bounds a connection that does not speak.
	handshakeTimeout = 10 * time.Second
	// A client may ping this often, also without a call; one that does not answer our
	// ping is gone.
	minPing, pingAfter, pingTimeout = 10 * time.Second, 30 * time.Second, 20 * time.Second
)

// New returns a server that does not listen yet.
func New(c Config) *Server {
	c.setDefaults()
	s := &Server{c: c, health: health.NewServer(), limit: newStreamLimit(c.MaxStreams)}
	s.poller = newPoller(c.Poll, s.lastEntries)
	s.changes = newChanges(s)
	s.ending, s.endTails = context.WithCancel(context.Background())
	options := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(uint32(min(c.MaxStreams, 1<<30) + maxCalls)),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.WaitForHandlers(true), // Serve returns when no handler reads the store any more
	}
	if c.TLS != nil {
		options = append(options, grpc.Creds(c.TLS.transport()))
	}
	s.grpc = s.services(options...)
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	return s
}

// services returns all services behind the interceptors.
func (s *Server) services(options ...grpc.ServerOption) *grpc.Server {
	g := grpc.NewServer(append(options,
		grpc.ForceServerCodecV2(newCodec()),
		grpc.ChainUnaryInterceptor(s.observeUnary, s.admitUnary),
		grpc.ChainStreamInterceptor(s.observeStream, s.admitStream),
		grpc.MaxRecvMsgSize(maxRequest))...)
	sluicev1.RegisterSluiceServiceServer(g, s)
	service.RegisterQueryServer(g, s)
	grpc_health_v1.RegisterHealthServer(g, s.health)
	reflection.Register(g)
	return g
}

// Streams is how many streams are open now.
func (s *Server) Streams() int64 { return s.streams.Load() }

// Serve answers on l, which it closes, until ctx ends. Then no call begins any
// more, tails end, and the calls that go on have ShutdownTimeout before they are
// cut off; a stream that is cut off ends with an error. It returns when all have
// ended. Call it once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- s.grpc.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	s.health.Shutdown()
	s.endTails()
	cut := time.AfterFunc(s.c.ShutdownTimeout, s.grpc.Stop)
	defer cut.Stop()
	s.grpc.GracefulStop()
	return <-done
}
