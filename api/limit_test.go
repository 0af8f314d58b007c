package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"sluice/api"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
)

// Without TLS all readers are one; streams that ended, and those of health and
// reflection, do not count.
func TestMaxStreams(t *testing.T) {
	t.Parallel()
	pool := newTailed(t, testenv.Database(t), 0, "plant-1")
	s := start(t, pool, api.Config{MaxStreams: 3})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := grpc_health_v1.NewHealthClient(s.dial(t)).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // each on a connection of its own
		stream, err := sluicev1.NewSluiceServiceClient(s.dial(t)).TailSensorRows(ctx, &sluicev1.TailSensorRowsRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatalf("stream %d: %v", i+1, err)
		}
	}
	conn := s.dial(t)
	c := sluicev1.NewSluiceServiceClient(conn)
	_, err = openAndDrain(c.QuerySensorRows(t.Context(), &sluicev1.QuerySensorRowsRequest{}))
	wantCode(t, "the fourth", err, codes.ResourceExhausted)
	if text := status.Convert(err).Message(); !strings.HasPrefix(text, "there are 3 streams open") {
		t.Errorf("got %q", text)
	}
	if _, err := c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{}); err != nil {
		t.Errorf("a call that is no stream: %v", err)
	}
	if got := services(t, conn); len(got) == 0 {
		t.Error("reflection lists nothing")
	}
	cancel()
	testenv.Eventually(t, within, func() error {
		_, err := openAndDrain(c.QuerySensorRows(t.Context(), &sluicev1.QuerySensorRowsRequest{}))
		return err
	})
}

// Each client has streams of its own, whatever the connections. On one connection
// too the limit is told, where gRPC by itself would let the call wait.
func TestMaxStreams_OfEachClient(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon := time.Now().Add(time.Hour)
	client := func(name string) sluicev1.SluiceServiceClient {
		return sluicev1.NewSluiceServiceClient(s.as(t, s.ca, soon, "sluice://client/"+name))
	}
	one := client("analyst")
	for range 100 {
		tail(t, one, &sluicev1.TailSensorRowsRequest{LiveOnly: true})
	}
	for name, c := range map[string]sluicev1.SluiceServiceClient{"same connection": one, "another": client("analyst")} {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		_, err := openAndDrain(c.QuerySensorRows(ctx, &sluicev1.QuerySensorRowsRequest{}))
		cancel()
		wantCode(t, name, err, codes.ResourceExhausted)
		if text := status.Convert(err).Message(); !strings.HasPrefix(text, "client analyst has 100 streams open") {
			t.Errorf("%s: got %q", name, text)
		}
	}
	if _, err := openAndDrain(client("boss").QuerySensorRows(t.Context(), &sluicev1.QuerySensorRowsRequest{})); err != nil {
		t.Errorf("another client: %v", err)
	}
}
