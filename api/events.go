package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sluice/gen/sluicev1"
)

// beatEvery is how often a comment tells that a stream of events lives.
const beatEvery = 15 * time.Second

// errSlow ends the stream of a reader that is too slow for the events.
var errSlow = status.Error(codes.ResourceExhausted, "the reader is too slow for the events; connect again")

// eventsRequest is what a stream of events is to have.
type eventsRequest struct {
	kinds   []string
	devices []string
	tail    *sluicev1.TailSensorRowsRequest
}

// events answers GET /v1/events with server-sent events until the client ends it
// or is too slow, or the server ends. `open` is first: from then on every reading
// is told, once, and each change of a device, an outage or a route, perhaps more
// than once. Readings have an id, after which another stream goes on without a
// gap; without one a stream begins with what is stored from now on. Of the rest
// there is no history: who connects again lists it anew after `open`.
func (s *Server) events(ctx context.Context, w *patientWriter, r *http.Request) (rows int64, err error) {
	req, err := parseEvents(r)
	if err != nil {
		return 0, err
	}
	c, err := s.facilities(ctx, req.tail.Facilities)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ending, func() { cancel(errEnding) })()
	defer w.cutAtEnd(ctx)()
	sub := s.changes.subscribe(req.wants(c), func() { cancel(errSlow) })
	defer s.changes.leave(sub)
	out := &eventStream{w: w}
	err = s.follow(ctx, req, sub, out)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause // whatever then failed, failed for it
	}
	return out.rows, err
}

func parseEvents(r *http.Request) (*eventsRequest, error) {
	p := parseParams(r.URL.RawQuery)
	req := &eventsRequest{kinds: p.list("types", kindReading, kindPresence, kindOutage, kindRoute), devices: p.all("devices")}
	last := p.one("last_event_id")
	if h := r.Header.Get("Last-Event-ID"); h != "" { // a browser that comes again sends the URL of before
		last = h
	}
	req.tail = &sluicev1.TailSensorRowsRequest{
		Facilities: p.all("facilities"), Devices: req.devices, ResumeToken: last, LiveOnly: true,
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	return req, checkDevices(req.devices)
}

// wants returns what chooses changes for a stream.
func (e *eventsRequest) wants(c choice) func(*change) bool {
	facilities, devices := map[string]bool{}, map[string]bool{}
	for _, name := range c.names {
		facilities[name] = true
	}
	for _, name := range e.devices {
		devices[name] = true
	}
	return func(ch *change) bool {
		return slices.Contains(e.kinds, ch.kind) && facilities[ch.facility] &&
			(len(devices) == 0 || ch.device == "" || devices[ch.device])
	}
}

// follow writes events; it never returns nil.
func (s *Server) follow(ctx context.Context, req *eventsRequest, sub *subscription, out *eventStream) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-sub.ready:
	}
	if !slices.Contains(req.kinds, kindReading) {
		if err := out.open(""); err != nil {
			return err
		}
		return sendChanges(ctx, sub, out)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var rest sync.WaitGroup
	defer rest.Wait()
	defer cancel(nil)
	opened := false
	err := s.tail(ctx, req.tail, func(m *sluicev1.TailSensorRowsResponse) error {
		switch {
		case m.Chunk != nil:
			return out.readings(m.Chunk, m.ResumeToken)
		case opened:
			return out.place(m.ResumeToken)
		}
		opened = true // the first message is the place to begin at
		if err := out.open(m.ResumeToken); err != nil {
			return err
		}
		rest.Go(func() { cancel(sendChanges(ctx, sub, out)) })
		return nil
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// sendChanges writes changes and beats until ctx ends or a write fails.
func sendChanges(ctx context.Context, sub *subscription, out *eventStream) error {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case found := <-sub.queue:
			err = out.changes(found)
		case <-beat.C:
			err = out.beat()
		}
		if err != nil {
			return err
		}
	}
}
