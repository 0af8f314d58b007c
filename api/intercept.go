package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sluice/gen/sluicev1"
)

// Call is one call that has ended, for the observer.
type Call struct {
	// Method is one of this server's, such as /sluice.v1.SluiceService/ListDevices.
	Method string
	// Code is that of its end.
	Code codes.Code
	// Rows is how many readings were sent.
	Rows int64
	// Took is from the request to the end; for a stream that depends on how fast its
	// client reads.
	Took time.Duration
}

func (s *Server) observeUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	began := time.Now()
	resp, err := next(ctx, req)
	return resp, s.end(ctx, Call{Method: info.FullMethod, Took: time.Since(began)}, err)
}

func (s *Server) observeStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s.streams.Add(1)
	defer s.streams.Add(-1)
	began := time.Now()
	counted := &countedStream{ServerStream: stream}
	err := next(srv, counted)
	return s.end(stream.Context(), Call{Method: info.FullMethod, Rows: counted.rows, Took: time.Since(began)}, err)
}

// end returns what the client gets for err, and tells the observer and the log.
func (s *Server) end(ctx context.Context, call Call, err error) error {
	out, known := s.statusOf(ctx, err)
	call.Code = status.Code(out)
	switch {
	case !known:
		s.c.Logger.Error("call failed", "method", call.Method, "err", err)
	case call.Code == codes.Unavailable && !errors.Is(err, errEnding):
		s.c.Logger.Warn("call failed", "method", call.Method, "err", err)
	}
	s.c.Observe(call)
	return out
}

// countedStream counts the readings that were sent.
type countedStream struct {
	grpc.ServerStream

	rows int64
}

// SendMsg implements grpc.ServerStream.
func (c *countedStream) SendMsg(m any) error {
	if err := c.ServerStream.SendMsg(m); err != nil {
		return err
	}
	switch m := m.(type) {
	case *sluicev1.QuerySensorRowsResponse:
		c.rows += int64(len(m.Chunk.GetEntryId()))
	case *sluicev1.TailSensorRowsResponse:
		c.rows += int64(len(m.Chunk.GetEntryId()))
	case *encodedRow:
		c.rows++
	}
	return nil
}

// admitUnary and admitStream are one interceptor: every method, reflection and
// health too, is for callers that reader knows, and no request may name what its
// caller may not read.
func (s *Server) admitUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	r, err := s.reader(ctx)
	if err == nil {
		err = r.admit(req)
	}
	if err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (s *Server) admitStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	r, err := s.reader(stream.Context())
	if err != nil {
		return err
	}
	if !strings.HasPrefix(info.FullMethod, "/grpc.") { // health and reflection read no rows
		leave, err := s.limit.enter(r.name)
		if err != nil {
			return err
		}
		defer leave()
	}
	return next(srv, &admittedStream{ServerStream: stream, reader: r})
}

// admittedStream looks at each request of a stream.
type admittedStream struct {
	grpc.ServerStream

	reader reader
}

// RecvMsg implements grpc.ServerStream.
func (a *admittedStream) RecvMsg(m any) error {
	if err := a.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return a.reader.admit(m)
}
