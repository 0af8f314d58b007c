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
	if err := checkSensor(req); err != nil {
		return err
	}
	c, err := s.facilities(stream.Context(), req.Facilities)
	if err != nil {
		return err
	}
	q := SensorQuery{
		Facilities: c.ids, Devices: req.Devices, From: req.FromEpoch, To: req.ToEpoch,
		ByDevice: req.Order == sluicev1.SensorOrder_SENSOR_ORDER_DEVICE_TIME,
	}
	limit := req.Limit
	if limit == 0 {
		limit = math.MaxInt64
	}
	return s.stream(stream, q, limit, func(chunk *sluicev1.SensorChunk) error {
		chunk.Facility = c.names[chunk.FacilityId]
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
	return s.stream(stream, SensorQuery{Facilities: c.ids}, math.MaxInt64, func(chunk *sluicev1.SensorChunk) error {
		for i, entry := range chunk.EntryId {
			err := stream.Send(&service.SensorRows{
				EntryId: entry, FacilityId: chunk.FacilityId, Device: chunk.Device[i],
				Temp: chunk.Temp[i], Rh: chunk.Rh[i], Epoch: chunk.Epoch[i],
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// stream sends at most limit rows. While send waits for a slow client, nothing is
// held but a page of rows. It returns nil only after the last row.
func (s *Server) stream(stream grpc.ServerStream, q SensorQuery, limit int64, send func(*sluicev1.SensorChunk) error) error {
	rows := s.c.Store.Sensor(q)
	sent := int64(0)
	for sent < limit {
		chunks, err := s.page(stream.Context(), rows, limit-sent)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			break
		}
		for _, chunk := range chunks {
			if err := send(chunk); err != nil {
				return err
			}
			sent += int64(len(chunk.EntryId))
		}
	}
	stream.SetTrailer(metadata.Pairs(TrailerRows, strconv.FormatInt(sent, 10)))
	return nil
}

func (s *Server) page(ctx context.Context, rows SensorReader, limit int64) ([]*sluicev1.SensorChunk, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	return rows.Page(ctx, limit)
}

func checkSensor(req *sluicev1.QuerySensorRowsRequest) error {
	switch {
	case len(req.Devices) > maxDevices:
		return argument("devices", "%d names; use at most %d", len(req.Devices), maxDevices)
	case req.FromEpoch < 0:
		return argument("from_epoch", "%d is not allowed; use 0 or more", req.FromEpoch)
	case req.ToEpoch < 0:
		return argument("to_epoch", "%d is not allowed; use 0 or more", req.ToEpoch)
	case req.ToEpoch > 0 && req.ToEpoch <= req.FromEpoch:
		return argument("to_epoch", "%d is not after from_epoch %d", req.ToEpoch, req.FromEpoch)
	case req.Limit < 0:
		return argument("limit", "%d is not allowed; use 0 or more", req.Limit)
	case sluicev1.SensorOrder_name[int32(req.Order)] == "":
		return argument("order", "%d is unknown", req.Order)
	}
	return checkNames("devices", req.Devices)
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
