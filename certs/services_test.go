package certs_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"sluice/app"
	"sluice/certs"
	"sluice/gen/msg"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
	"sluice/mqtt"
	"sluice/store/postgres"
)

// A batch-router with all its connections on certificates: devices at its front door,
// Redis, PostgreSQL; and an api that only a reader's certificate opens. All certificates
// are renewed while they run.
func TestServices_TakeTheCertificates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	redisCert, dbCert := s.issue("redis", certs.Redis), s.issue("postgres", certs.Postgres)
	_, queue := s.redis(redisCert)
	db, _ := s.postgres(dbCert)
	_, _, err := postgres.Migrate(t.Context(), db.URL())
	must(t, err)
	s.sql(db.URL(), "CREATE ROLE router LOGIN SUPERUSER; CREATE ROLE readings LOGIN SUPERUSER")
	router, door := s.issue("router", certs.BatchRouter), testenv.Address(t)
	s.run(app.NewBatchRouter(s.load(fmt.Sprintf(`facility: plant-1
listen:
  addresses: [{address: %q, tls: {cert: %q, key: %q, client_ca: %q}}]
  user_is_client: true
queue: {redis: {url: "rediss://%s", ca: %q, cert: %q, key: %q}}
store: {postgres: {url: "postgres://router@%s/postgres", ca: %q, cert: %q, key: %q}}
routes: [{topic: "data/sensor/{device}", batch: {timeout: 10ms}, sink: sensor}]
admin: %q
metrics: {batch_router: off}
`, door, router.Cert, router.Key, s.ca(), queue, s.ca(), router.Cert, router.Key, db.Addr(), s.ca(), router.Cert, router.Key,
		filepath.Join(t.TempDir(), "a")), app.BatchRouterConfig(app.DefaultSinks())...), app.DefaultSinks(), s.log()))
	server, address := s.issue("readings", certs.API), testenv.Address(t)
	s.run(app.NewAPI(s.load(fmt.Sprintf(`
store: {postgres: {url: "postgres://readings@%s/postgres", ca: %q, cert: %q, key: %q}}
api:
  grpc: %q
  http: off
  tls: {cert: %q, key: %q, client_ca: %q}
  clients: [{name: analyst, facilities: [plant-1]}, {name: dev-1, facilities: [plant-1]}, {name: router, facilities: [plant-1]}]
metrics: {api: off}
`, db.Addr(), s.ca(), server.Cert, server.Key, address, server.Cert, server.Key, s.ca()), app.APIConfig()...), s.log()))

	device, analyst := s.issue("dev-1", certs.Device), s.issue("analyst", certs.Client)
	s.sends(door, device, 1_700_000_000)
	s.reads(address, analyst, codes.OK, 1)
	s.reads(address, device, codes.PermissionDenied, 0)
	s.reads(address, router, codes.PermissionDenied, 0)
	s.reads(address, nobody(), codes.Unauthenticated, 0)

	s.renew()
	s.takesOver(door, router, device)
	s.takesOver(address, server, analyst)
	s.sends(door, device, 1_700_000_001)
	s.reads(address, analyst, codes.OK, 2)
	s.reads(address, device, codes.PermissionDenied, 0)
}

// sends publishes a reading of the device, with a connection of its own.
func (s *site) sends(address string, as certs.Certificate, epoch int64) {
	s.Helper()
	p, err := mqtt.NewPublisher(mqtt.Config{URL: "mqtts://" + address, TLS: s.client(as)})
	must(s, err)
	defer func() { _ = p.Close() }()
	payload, err := proto.Marshal(&msg.SensorData{Device: as.Name, Temp: 20, Rh: 50, Epoch: epoch})
	must(s, err)
	_, err = p.Publish(s.Context(), "data/sensor/"+as.Name, payload, 1)
	must(s, err)
}

// reads wants the api to answer so, and to have so many readings before long.
func (s *site) reads(address string, as certs.Certificate, want codes.Code, rows int) {
	s.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(s.client(as))))
	must(s, err)
	defer conn.Close()
	testenv.Eventually(s, within, func() error {
		n, err := s.query(sluicev1.NewSluiceServiceClient(conn))
		if status.Code(err) != want || n != rows {
			return fmt.Errorf("%s: got %d rows, %w, want %d, %v", as.Name, n, err, rows, want)
		}
		return nil
	})
}

func (s *site) query(c sluicev1.SluiceServiceClient) (rows int, err error) {
	stream, err := c.QuerySensorRows(s.Context(), &sluicev1.QuerySensorRowsRequest{})
	if err != nil {
		return 0, err
	}
	for {
		chunk, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return rows, err
		}
		rows += len(chunk.Chunk.EntryId)
	}
}
