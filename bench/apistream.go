package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"sluice/api"
	"sluice/gen/service"
	"sluice/gen/sluicev1"
)

// stream is an open stream of readings. One goroutine uses it.
type stream struct {
	order
	// next reads a message and judges its rows; io.EOF after the last one.
	next    func() error
	trailer func() metadata.MD
}

// openColumns begins QuerySensorRows.
func openColumns(ctx context.Context, conn *grpc.ClientConn, req *sluicev1.QuerySensorRowsRequest, seq sequence) (*stream, error) {
	columns, err := sluicev1.NewSluiceServiceClient(conn).QuerySensorRows(ctx, req)
	if err != nil {
		return nil, err
	}
	s := &stream{order: order{sequence: seq}, trailer: columns.Trailer}
	s.next = func() error {
		resp, err := columns.Recv()
		if err != nil {
			return err
		}
		c := resp.GetChunk()
		for i, entry := range c.GetEntryId() {
			s.add(c.FacilityId, entry, c.Device[i], c.Epoch[i])
		}
		return nil
	}
	return s, nil
}

// openRows begins GetSensorRows.
func openRows(ctx context.Context, conn *grpc.ClientConn) (*stream, error) {
	rows, err := service.NewQueryClient(conn).GetSensorRows(ctx, &emptypb.Empty{})
	if err != nil {
		return nil, err
	}
	s := &stream{order: order{sequence: gapless}, trailer: rows.Trailer}
	s.next = func() error {
		r, err := rows.Recv()
		if err == nil {
			s.add(r.FacilityId, r.EntryId, r.Device, r.Epoch)
		}
		return err
	}
	return s, nil
}

// drain reads s to its end, which must come with the number of its rows. After each
// message it calls seen with the number of its rows, whose error ends it.
func (s *stream) drain(seen func(rows int64) error) error {
	for {
		before := s.rows
		err := s.next()
		if errors.Is(err, io.EOF) {
			s.checkTrailer()
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d rows: %w", s.rows, err)
		}
		if err := seen(s.rows - before); err != nil {
			return err
		}
	}
}

func (s *stream) checkTrailer() {
	told := s.trailer().Get(api.TrailerRows)
	if len(told) != 1 || told[0] != strconv.FormatInt(s.rows, 10) {
		s.objectf("%d rows came, and the trailer %s says %q", s.rows, api.TrailerRows, told)
	}
}
