package api

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"sluice"
	"sluice/gen/service"
	"sluice/gen/sluicev1"
	"sluice/store"
)

// TrailerRows is the trailer of a stream that ended with OK: how many rows it
// had, in decimal.
const TrailerRows = "sluice-rows"

const (
	maxDevices    = 10_000
	maxFacilities = 1000
)

// QuerySensorRows implements sluicev1.SluiceServiceServer.
func (s *Server) QuerySensorRows(req *sluicev1.QuerySensorRowsRequest, stream grpc.ServerStreamingServer[sluicev1.QuerySensorRowsResponse]) error {
	q, err := s.readings(stream.Context(), req)
	if err != nil {
		return err
	}
	return s.stream(stream, q, func(chunk *sluicev1.SensorChunk) error {
		return stream.Send(&sluicev1.QuerySensorRowsResponse{Chunk: chunk})
	})
}

// GetSensorRows implements service.QueryServer: one row a message, as the first
// clients want it.
func (s *Server) GetSensorRows(_ *emptypb.Empty, stream grpc.ServerStreamingServer[service.SensorRows]) error {
	c, err := s.facilities(stream.Context(), nil)
	if err != nil {
		return err
	}
	q := readings{SensorQuery: store.SensorQuery{Facilities: c.ids}, names: c.names, limit: math.MaxInt64}
	return s.stream(stream, q, func(chunk *sluicev1.SensorChunk) error { return sendRows(stream, chunk) })
}

// readings is a request for readings that was checked.
type readings struct {
	store.SensorQuery

	names map[int32]string // of the facilities
	limit int64            // 1 or more
}

// readings checks a request.
func (s *Server) readings(ctx context.Context, req *sluicev1.QuerySensorRowsRequest) (readings, error) {
	if err := checkSensor(req); err != nil {
		return readings{}, err
	}
	c, err := s.facilities(ctx, req.Facilities)
	if err != nil {
		return readings{}, err
	}
	q := readings{names: c.names, limit: req.Limit, SensorQuery: store.SensorQuery{
		Facilities: c.ids, Devices: req.Devices, From: req.FromEpoch, To: req.ToEpoch,
		ByDevice: req.Order == sluicev1.SensorOrder_SENSOR_ORDER_DEVICE_TIME,
	}}
	if q.limit == 0 {
		q.limit = math.MaxInt64
	}
	return q, nil
}

// stream answers a call with rows. Its trailer is there only after the last row.
func (s *Server) stream(stream grpc.ServerStream, q readings, send func(*sluicev1.SensorChunk) error) error {
	sent, err := s.send(stream.Context(), q, send)
	if err == nil {
		stream.SetTrailer(metadata.Pairs(TrailerRows, strconv.FormatInt(sent, 10)))
	}
	return err
}

// send sends the rows of q, and returns how many. While send waits for a slow
// client, nothing is held but a page of rows. It returns nil only after the last
// row.
func (s *Server) send(ctx context.Context, q readings, send func(*sluicev1.SensorChunk) error) (sent int64, err error) {
	rows := s.c.Store.Sensor(q.SensorQuery)
	for sent < q.limit {
		chunks, err := s.page(ctx, rows, q.limit-sent)
		if err != nil {
			return sent, err
		}
		if len(chunks) == 0 {
			break
		}
		for _, chunk := range chunks {
			chunk.Facility = q.names[chunk.FacilityId]
			if err := send(chunk); err != nil {
				return sent, err
			}
			sent += int64(len(chunk.EntryId))
		}
	}
	return sent, nil
}

func (s *Server) page(ctx context.Context, rows SensorReader, limit int64) ([]*sluicev1.SensorChunk, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	return rows.Page(ctx, limit)
}

func checkSensor(req *sluicev1.QuerySensorRowsRequest) error {
	switch {
	case req.Limit < 0:
		return argument("limit", "%d is not allowed; use 0 or more", req.Limit)
	case sluicev1.SensorOrder_name[int32(req.Order)] == "":
		return argument("order", "%d is unknown", req.Order)
	}
	return checkReadings(req)
}

// readingsRequest is what requests that narrow the choice of readings have.
type readingsRequest interface {
	GetDevices() []string
	GetFromEpoch() int64
	GetToEpoch() int64
}

func checkReadings(req readingsRequest) error {
	switch from, to := req.GetFromEpoch(), req.GetToEpoch(); {
	case from < 0:
		return argument("from_epoch", "%d is not allowed; use 0 or more", from)
	case to < 0:
		return argument("to_epoch", "%d is not allowed; use 0 or more", to)
	case to > 0 && to <= from:
		return argument("to_epoch", "%d is not after from_epoch %d", to, from)
	}
	return checkDevices(req.GetDevices())
}

func checkDevices(names []string) error {
	if len(names) > maxDevices {
		return argument("devices", "%d names; use at most %d", len(names), maxDevices)
	}
	return checkNames("devices", names)
}

func checkNames(field string, names []string) error {
	for i, name := range names {
		if !sluice.ValidName(name) {
			return argument(fmt.Sprintf("%s[%d]", field, i), "%.80q is not a name: %s", name, sluice.NameRule)
		}
	}
	return nil
}

// choice are the facilities of one call.
type choice struct {
	ids   []int32 // ascending
	names map[int32]string
}

// id returns the number of a facility of the choice.
func (c choice) id(name string) int32 {
	for id, n := range c.names {
		if n == name {
			return id
		}
	}
	return 0
}

// facilities returns the facilities of that name, or without names all that the
// caller may read. One that it may not read is refused, whether it exists or not.
func (s *Server) facilities(ctx context.Context, asked []string) (choice, error) {
	if len(asked) > maxFacilities {
		return choice{}, argument("facilities", "%d names; use at most %d", len(asked), maxFacilities)
	}
	if err := checkNames("facilities", asked); err != nil {
		return choice{}, err
	}
	r, err := s.reader(ctx)
	if err != nil {
		return choice{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	all, err := s.c.Store.Facilities(ctx)
	if err != nil {
		return choice{}, err
	}
	return choose(r, asked, all)
}

func choose(r reader, asked []string, all map[int32]string) (choice, error) {
	c := choice{names: map[int32]string{}}
	for id, name := range all {
		if r.may(name) && (len(asked) == 0 || slices.Contains(asked, name)) {
			c.ids, c.names[id] = append(c.ids, id), name
		}
	}
	slices.Sort(c.ids)
	for _, name := range asked {
		switch {
		case !r.may(name):
			return choice{}, fmt.Errorf("%w: facility %q", errForbidden, name)
		case c.id(name) == 0:
			return choice{}, fmt.Errorf("%w: %q", errNoFacility, name)
		}
	}
	return c, nil
}
