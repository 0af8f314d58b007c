package api

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// argumentError is what is wrong with a field of a request.
type argumentError struct {
	field, text string
}

func (e *argumentError) Error() string { return e.field + ": " + e.text }

func argument(field, format string, args ...any) error {
	return &argumentError{field, fmt.Sprintf(format, args...)}
}

// Errors of the choice of facilities.
var (
	errForbidden  = errors.New("not allowed")
	errNoFacility = errors.New("no such facility")
)

// statusOf gives an error its code; the one place that does. ctx is that of the
// call. Nothing of an error that is not known goes out; known tells so.
func (s *Server) statusOf(ctx context.Context, err error) (out error, known bool) {
	var bad *argumentError
	switch {
	case err == nil:
		return nil, true
	case errors.As(err, &bad):
		return status.Error(codes.InvalidArgument, err.Error()), true
	case errors.Is(err, errForbidden):
		return status.Error(codes.PermissionDenied, err.Error()), true
	case errors.Is(err, errNoFacility):
		return status.Error(codes.NotFound, err.Error()), true
	case ctx.Err() != nil: // whatever then failed, failed for it
		return status.FromContextError(ctx.Err()).Err(), true
	case isStatus(err):
		return err, true
	case errors.Is(err, context.DeadlineExceeded), s.c.Unavailable(err): // the deadline is not the client's
		return status.Error(codes.Unavailable, "the database does not answer; try again later"), true
	}
	return status.Error(codes.Internal, "internal error; the log of the api has it"), false
}

// isStatus reports whether err has a code of its own: gRPC's, of sending and
// receiving.
func isStatus(err error) bool {
	var e interface{ GRPCStatus() *status.Status }
	return errors.As(err, &e)
}
