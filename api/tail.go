package api

import (
	"context"
	"maps"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// errEnding ends the tails of a server that ends.
var errEnding = status.Error(codes.Unavailable, "the server ends; go on with the resume_token")

// TailSensorRows implements sluicev1.SluiceServiceServer.
func (s *Server) TailSensorRows(req *sluicev1.TailSensorRowsRequest, stream grpc.ServerStreamingServer[sluicev1.TailSensorRowsResponse]) error {
	return s.tail(stream.Context(), req, stream.Send)
}

// tail calls send with the rows that req chooses, those that are stored and each as
// it is stored, until ctx ends, send or the store fails or the server ends; it
// never returns nil. The facilities are those that the caller may read, as ctx
// tells. send may take any time; what it gets is its own until it returns.
func (s *Server) tail(ctx context.Context, req *sluicev1.TailSensorRowsRequest, send func(*sluicev1.TailSensorRowsResponse) error) error {
	if err := checkDevices(req.Devices); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	c, err := s.facilities(ctx, req.Facilities)
	if err == nil {
		t := &tail{s: s, choice: c, devices: req.Devices, send: send}
		err = t.run(ctx, req)
	}
	if s.ending.Err() != nil { // whatever then failed, failed for it
		return errEnding
	}
	return err
}

// lastEntries reads up to where rows are stored.
func (s *Server) lastEntries(ctx context.Context) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	return s.c.Store.LastEntries(ctx)
}

// tail is one call.
type tail struct {
	choice

	s       *Server
	devices []string
	send    func(*sluicev1.TailSensorRowsResponse) error

	place place // up to where rows are sent
	// behind: place has moved since the client was told, at told.
	behind bool
	told   time.Time
}

// run sends the history, then waits for the news of the poller. What is stored in
// between is in the first news.
func (t *tail) run(ctx context.Context, req *sluicev1.TailSensorRowsRequest) error {
	last, err := t.s.lastEntries(ctx)
	if err != nil {
		return err
	}
	if t.place, err = t.begin(req, last); err != nil {
		return err
	}
	if err := t.tell(nil); err != nil {
		return err
	}
	if err := t.catchUp(ctx, last); err != nil {
		return err
	}
	w := t.s.poller.watch(t.ids)
	defer t.s.poller.leave(w)
	for {
		if err := t.await(ctx, w); err != nil {
			return err
		}
	}
}

// begin returns the place that a request begins at. A facility that is not in the
// token was registered since: all its rows are new.
func (t *tail) begin(req *sluicev1.TailSensorRowsRequest, last map[int32]int64) (place, error) {
	if req.ResumeToken != "" {
		return t.resume(req.ResumeToken)
	}
	p := place{}
	for _, id := range t.ids {
		p[id] = 0
		if req.LiveOnly {
			p[id] = last[id]
		}
	}
	return p, nil
}

func (t *tail) resume(token string) (place, error) {
	p, err := parsePlace(token)
	if err != nil {
		return nil, err
	}
	for id := range p {
		if _, ok := t.names[id]; !ok {
			return nil, argument(fieldToken, "is of a call with other facilities")
		}
	}
	for _, id := range t.ids {
		p[id] += 0 // none is left out of the next token
	}
	return p, nil
}

// await sends what the next news or the next mark has.
func (t *tail) await(ctx context.Context, w *watch) error {
	var due <-chan time.Time
	if t.behind {
		due = time.After(time.Until(t.told.Add(t.s.c.Mark)))
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-due:
		return t.tell(nil)
	case n := <-w.news:
		if n.err != nil {
			return n.err
		}
		return t.catchUp(ctx, n.last)
	}
}

// catchUp sends the rows up to last.
func (t *tail) catchUp(ctx context.Context, last map[int32]int64) error {
	if err := t.check(last); err != nil {
		return err
	}
	rows := t.s.c.Store.Sensor(store.SensorQuery{
		Facilities: t.ids, Devices: t.devices, After: maps.Clone(t.place), Last: last,
	})
	for most := t.missing(last); most > 0; { // the limit is what a page makes room for
		chunks, err := t.s.page(ctx, rows, most)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			break
		}
		for _, chunk := range chunks {
			if err := t.sendChunk(chunk); err != nil {
				return err
			}
		}
	}
	for _, id := range t.ids {
		t.behind = t.behind || t.place[id] < last[id]
		t.place[id] = last[id]
	}
	return nil
}

// check refuses a place ahead of what is stored: the rows up to there are in another
// database, and those that will be stored here are others. To wait for them would
// leave out what comes first.
func (t *tail) check(last map[int32]int64) error {
	for _, id := range t.ids {
		if t.place[id] > last[id] {
			return argument(fieldToken, "is ahead of the database: it names entry %d of %s, which has %d", t.place[id], t.names[id], last[id])
		}
	}
	return nil
}

// missing is how many entries there are behind the place, up to last.
func (t *tail) missing(last map[int32]int64) (n int64) {
	for _, id := range t.ids {
		n += last[id] - t.place[id]
	}
	return n
}

func (t *tail) sendChunk(chunk *sluicev1.SensorChunk) error {
	chunk.Facility = t.names[chunk.FacilityId]
	t.place[chunk.FacilityId] = chunk.EntryId[len(chunk.EntryId)-1]
	return t.tell(chunk)
}

// tell sends rows, nil for none, and the place.
func (t *tail) tell(chunk *sluicev1.SensorChunk) error {
	t.behind, t.told = false, time.Now()
	return t.send(&sluicev1.TailSensorRowsResponse{Chunk: chunk, ResumeToken: t.place.token()})
}
