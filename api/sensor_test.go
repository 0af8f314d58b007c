package api_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"sluice/api"
	"sluice/gen/service"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
)

// query opens a stream of readings.
func query(t testing.TB, c sluicev1.SluiceServiceClient, req *sluicev1.QuerySensorRowsRequest) grpc.ServerStreamingClient[sluicev1.QuerySensorRowsResponse] {
	t.Helper()
	stream, err := c.QuerySensorRows(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func count(chunks []*sluicev1.QuerySensorRowsResponse) (n int) {
	for _, c := range chunks {
		n += len(c.Chunk.EntryId)
	}
	return n
}

func wantTrailer(t testing.TB, stream grpc.ClientStream, want string) {
	t.Helper()
	if got := strings.Join(stream.Trailer().Get(api.TrailerRows), " "); got != want {
		t.Errorf("trailer %s: got %q, want %q", api.TrailerRows, got, want)
	}
}

func TestQuerySensorRows(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, 5500, "plant-1", "plant-2")
	for name, tt := range map[string]struct {
		req  *sluicev1.QuerySensorRowsRequest
		rows int
	}{
		"all":      {&sluicev1.QuerySensorRowsRequest{}, 11_000},
		"facility": {&sluicev1.QuerySensorRowsRequest{Facilities: []string{"plant-2", "plant-2"}}, 5500},
		"limit":    {&sluicev1.QuerySensorRowsRequest{Limit: 5501}, 5501},
		"range":    {&sluicev1.QuerySensorRowsRequest{FromEpoch: epoch0 + 10, ToEpoch: epoch0 + 20}, 20},
		"device":   {&sluicev1.QuerySensorRowsRequest{Devices: []string{"dev-1"}, Order: sluicev1.SensorOrder_SENSOR_ORDER_DEVICE_TIME}, 2 * 786},
		"nothing":  {&sluicev1.QuerySensorRowsRequest{Devices: []string{"none"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := query(t, c, tt.req)
			chunks, err := drain(stream)
			if err != nil {
				t.Fatal(err)
			}
			if n := count(chunks); n != tt.rows {
				t.Errorf("got %d rows, want %d", n, tt.rows)
			}
			wantTrailer(t, stream, fmt.Sprint(tt.rows))
			for _, resp := range chunks {
				chunk := resp.Chunk
				if chunk.Facility != fmt.Sprintf("plant-%d", chunk.FacilityId) || len(chunk.EntryId) > 1000 {
					t.Errorf("got a chunk of %q, %d, of %d rows", chunk.Facility, chunk.FacilityId, len(chunk.EntryId))
				}
				for i, entry := range chunk.EntryId {
					if chunk.Temp[i] != float32(entry) || chunk.Epoch[i] != epoch0+entry || chunk.Device[i] != fmt.Sprintf("dev-%d", entry%7) || chunk.Rh[i] != 50 {
						t.Fatalf("row %d: got %v, %v, %v, %v", entry, chunk.Temp[i], chunk.Epoch[i], chunk.Device[i], chunk.Rh[i])
					}
				}
			}
		})
	}
}

func TestGetSensorRows_ByFacilityAndEntry(t *testing.T) {
	t.Parallel()
	_, conn, _ := newClient(t, 1500, "plant-1", "plant-2")
	stream, err := service.NewQueryClient(conn).GetSensorRows(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := drain(stream)
	if err != nil || len(rows) != 3000 {
		t.Fatalf("got %d rows and %v, want 3000", len(rows), err)
	}
	for i, r := range rows {
		entry := int64(i%1500 + 1)
		if r.FacilityId != int32(i/1500+1) || r.EntryId != entry || r.Device != fmt.Sprintf("dev-%d", entry%7) ||
			r.Temp != float32(entry) || r.Rh != 50 || r.Epoch != epoch0+entry {
			t.Fatalf("row %d: got %v", i, r)
		}
	}
	wantTrailer(t, stream, "3000")
}

func TestQuerySensorRows_BadArguments(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, 1, "plant-1")
	for field, req := range map[string]*sluicev1.QuerySensorRowsRequest{
		"facilities[1]": {Facilities: []string{"plant-1", ""}},
		"facilities":    {Facilities: make([]string, 1001)},
		"devices[0]":    {Devices: []string{"a/b"}},
		"devices":       {Devices: make([]string, 10_001)},
		"from_epoch":    {FromEpoch: -1},
		"to_epoch":      {FromEpoch: 5, ToEpoch: 5},
		"limit":         {Limit: math.MinInt64},
		"order":         {Order: 99},
	} {
		_, err := drain(query(t, c, req))
		wantCode(t, field, err, codes.InvalidArgument)
		if text := status.Convert(err).Message(); !strings.HasPrefix(text, field+": ") {
			t.Errorf("got %q, want the field %s", text, field)
		}
	}
	_, err := drain(query(t, c, &sluicev1.QuerySensorRowsRequest{Facilities: []string{"plant-9"}}))
	wantCode(t, "unknown facility", err, codes.NotFound)
}

// A stream never ends with OK unless it is complete.
func TestQuerySensorRows_DatabaseKilledInTheMiddle_IsAnError(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	pool := newDatabase(t, db.Database(), 200_000, "plant-1")
	conn := start(t, pool, api.Config{}).dial(t)
	columns := query(t, sluicev1.NewSluiceServiceClient(conn), &sluicev1.QuerySensorRowsRequest{})
	rows, err := service.NewQueryClient(conn).GetSensorRows(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := columns.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Recv(); err != nil {
		t.Fatal(err)
	}
	db.Kill() // both streams wait for their reader
	chunks, err := drain(columns)
	wantCode(t, "QuerySensorRows", err, codes.Unavailable)
	single, err := drain(rows)
	wantCode(t, "GetSensorRows", err, codes.Unavailable)
	if n := count(chunks); n == 0 || n >= 199_000 || len(single) >= 199_000 {
		t.Errorf("got %d and %d rows: it was not killed in the middle", n, len(single))
	}
	wantTrailer(t, columns, "")
	wantTrailer(t, rows, "")

	db.Start()
	testenv.Eventually(t, within, func() error { return pool.Ping(t.Context()) })
	chunks, err = drain(query(t, sluicev1.NewSluiceServiceClient(conn), &sluicev1.QuerySensorRowsRequest{}))
	if n := count(chunks); err != nil || n != 200_000 {
		t.Errorf("afterwards: got %d rows, %v", n, err)
	}
}

func TestServe_StoppedInTheMiddle_IsAnError(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t, testenv.Database(t), 200_000, "plant-1")
	s := start(t, pool, api.Config{ShutdownTimeout: 50 * time.Millisecond})
	stream := query(t, sluicev1.NewSluiceServiceClient(s.dial(t)), &sluicev1.QuerySensorRowsRequest{})
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	wantNoneAcquired(t, pool)
	_, err := drain(stream)
	if err == nil {
		t.Error("the stream ended with OK")
	}
}

// A stream that is read on when the server stops ends complete.
func TestServe_Stopped_FinishesStreams(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t, testenv.Database(t), 50_000, "plant-1")
	s := start(t, pool, api.Config{ShutdownTimeout: within})
	stream := query(t, sluicev1.NewSluiceServiceClient(s.dial(t)), &sluicev1.QuerySensorRowsRequest{})
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	chunks, err := drain(stream)
	if n := len(first.Chunk.EntryId) + count(chunks); err != nil || n != 50_000 {
		t.Errorf("got %d rows, %v", n, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// Streams that nobody reads take nothing from others: not even with one
// connection to the database.
func TestQuerySensorRows_ReadersThatStop_DisturbNobody(t *testing.T) {
	t.Parallel()
	url := testenv.Database(t)
	newDatabase(t, url, 50_000, "plant-1")
	pool := newDatabase(t, url+"&pool_max_conns=1", 0)
	s := start(t, pool, api.Config{})
	c := sluicev1.NewSluiceServiceClient(s.dial(t))
	var stalled []grpc.ServerStreamingClient[sluicev1.QuerySensorRowsResponse]
	for range 20 {
		stream := query(t, c, &sluicev1.QuerySensorRowsRequest{})
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		stalled = append(stalled, stream)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	other := sluicev1.NewSluiceServiceClient(s.dial(t))
	stream, err := other.QuerySensorRows(ctx, &sluicev1.QuerySensorRowsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	chunks, err := drain(stream)
	if n := count(chunks); err != nil || n != 50_000 {
		t.Errorf("got %d rows, %v", n, err)
	}
	for _, stream := range stalled {
		chunks, err := drain(stream)
		if n := count(chunks); err != nil || n != 49_000 {
			t.Errorf("a stalled one: got %d rows more, %v", n, err)
		}
	}
}
