package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/api"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
)

// pages calls a list until its end and returns how many elements and pages there
// were.
func pages(t testing.TB, call func(token string) (n int, next string, err error)) (elements, calls int) {
	t.Helper()
	for token := ""; ; {
		n, next, err := call(token)
		if err != nil {
			t.Fatal(err)
		}
		elements, calls, token = elements+n, calls+1, next
		if token == "" {
			return elements, calls
		}
	}
}

func TestLists_PageByPage(t *testing.T) {
	t.Parallel()
	c, _, pool := newClient(t, 1, "plant-1", "plant-2")
	for _, sql := range []string{
		`INSERT INTO data.device (facility_id, device, state, generation, cause, flapping, version) SELECT f, 'd' || i, 'up', 1, '', false, 1`,
		`INSERT INTO data.outage (facility_id, device, down_at, cause, muted, flap) SELECT f, 'd' || i, to_timestamp(i / 4), 'lwt', false, ''`,
		`INSERT INTO sluice.route_status SELECT f, 'r' || i, 1, 1, 0, 0, '{}', 0, 0, 0, 0, 0, '', NULL`,
		`INSERT INTO sluice.dead_letter (facility_id, route, device, topic, payload, received, reason, code, detail, at) SELECT f, 'r', 'd', 't', 'x', now(), 'decode', '', '', now()`,
	} {
		exec(t, pool, sql+" FROM generate_series(1, 2) f, generate_series(1, 25) i")
	}
	ctx := t.Context()
	lists := map[string]func(facilities []string, size int32, token string) (int, string, error){
		"devices": func(f []string, size int32, token string) (int, string, error) {
			r, err := c.ListDevices(ctx, &sluicev1.ListDevicesRequest{Facilities: f, PageSize: size, PageToken: token})
			return len(r.GetDevices()), r.GetNextPageToken(), err
		},
		"outages": func(f []string, size int32, token string) (int, string, error) {
			r, err := c.ListOutages(ctx, &sluicev1.ListOutagesRequest{Facilities: f, PageSize: size, PageToken: token})
			return len(r.GetOutages()), r.GetNextPageToken(), err
		},
		"routes": func(f []string, size int32, token string) (int, string, error) {
			r, err := c.ListRoutes(ctx, &sluicev1.ListRoutesRequest{Facilities: f, PageSize: size, PageToken: token})
			return len(r.GetRoutes()), r.GetNextPageToken(), err
		},
		"dead letters": func(f []string, size int32, token string) (int, string, error) {
			r, err := c.ListDeadLetters(ctx, &sluicev1.ListDeadLettersRequest{Facilities: f, PageSize: size, PageToken: token})
			return len(r.GetDeadLetters()), r.GetNextPageToken(), err
		},
	}
	for name, list := range lists {
		if n, calls := pages(t, func(token string) (int, string, error) { return list(nil, 4, token) }); n != 50 || calls != 13 {
			t.Errorf("%s: got %d in %d pages, want 50 in 13", name, n, calls)
		}
		if n, calls := pages(t, func(token string) (int, string, error) { return list([]string{"plant-2"}, 0, token) }); n != 25 || calls != 1 {
			t.Errorf("%s of a facility: got %d in %d pages, want 25 in 1", name, n, calls)
		}
		_, _, err := list(nil, -1, "")
		wantArgument(t, name, err, "page_size")
		_, _, err = list(nil, 0, "x!")
		wantArgument(t, name, err, "page_token")
		_, _, err = list([]string{"a b"}, 0, "")
		wantArgument(t, name, err, "facilities[0]")
	}
}

func wantArgument(t testing.TB, what string, err error, field string) {
	t.Helper()
	wantCode(t, what, err, codes.InvalidArgument)
	if text := status.Convert(err).Message(); !strings.HasPrefix(text, field+": ") {
		t.Errorf("%s: got %q, want the field %s", what, text, field)
	}
}

func TestLists_Filters(t *testing.T) {
	t.Parallel()
	c, _, pool := newClient(t, 1, "plant-1")
	exec(t, pool, `INSERT INTO data.outage (facility_id, device, down_at, cause, muted, flap) SELECT 1, 'd' || i, to_timestamp(i), 'lwt', false, '' FROM generate_series(1, 9) i`)
	r, err := c.ListOutages(t.Context(), &sluicev1.ListOutagesRequest{
		From: &timestamppb.Timestamp{Seconds: 3}, To: &timestamppb.Timestamp{Seconds: 5}, Open: true,
	})
	if err != nil || len(r.Outages) != 2 || r.Outages[0].Device != "d4" || r.Outages[1].Device != "d3" {
		t.Errorf("got %v, %v, want d4 and d3", r, err)
	}
	_, err = c.ListOutages(t.Context(), &sluicev1.ListOutagesRequest{To: &timestamppb.Timestamp{Nanos: -1}})
	wantArgument(t, "time", err, "to")
	_, err = c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{State: 99})
	wantArgument(t, "state", err, "state")
}

// While another session holds the table, a call waits until its deadline, or
// until the server's own.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t, testenv.Database(t), 1, "plant-1")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), "LOCK TABLE data.device, data.sensor"); err != nil {
		t.Fatal(err)
	}
	c := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{}).dial(t))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.ListDevices(ctx, &sluicev1.ListDevicesRequest{})
	wantCode(t, "deadline of the client", err, codes.DeadlineExceeded)

	hasty := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{PageTimeout: 100 * time.Millisecond}).dial(t))
	_, err = hasty.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
	wantCode(t, "deadline of the server", err, codes.Unavailable)
	_, err = drain(query(t, hasty, &sluicev1.QuerySensorRowsRequest{}))
	wantCode(t, "deadline of the server, stream", err, codes.Unavailable)
}

func TestErrors_TellNothingOfTheInside(t *testing.T) {
	t.Parallel()
	c, _, pool := newClient(t, 1, "plant-1")
	exec(t, pool, "ALTER TABLE data.device RENAME COLUMN cause TO secret")
	_, err := c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
	if got, want := status.Convert(err), "internal error; the log of the api has it"; got.Code() != codes.Internal || got.Message() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestHealthAndReflection(t *testing.T) {
	t.Parallel()
	_, conn, _ := newClient(t, 0)
	for _, name := range []string{"", "sluice.v1.SluiceService", "service.Query"} {
		r, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
		if err != nil || r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: got %v, %v", name, r, err)
		}
	}
	got := strings.Join(services(t, conn), " ")
	for _, want := range []string{"sluice.v1.SluiceService", "service.Query", "grpc.health.v1.Health"} {
		if !strings.Contains(got, want) {
			t.Errorf("reflection lists %s, want %s", got, want)
		}
	}
}

// services lists the services as grpcurl does.
func services(t testing.TB, conn *grpc.ClientConn) (names []string) {
	t.Helper()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.GetListServicesResponse().GetService() {
		names = append(names, s.Name)
	}
	_ = stream.CloseSend()
	_, _ = stream.Recv()
	return names
}
