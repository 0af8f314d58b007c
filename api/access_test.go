package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"sluice/api"
	"sluice/gen/service"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &authority{must(x509.ParseCertificate(der)), key}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue signs a certificate for 127.0.0.1 with these URIs, valid until then, and
// returns it and its key as PEM.
func (a *authority) issue(until time.Time, uris ...string) (cert, key []byte) {
	return a.issueFor([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, until, uris...)
}

func (a *authority) issueFor(usage []x509.ExtKeyUsage, until time.Time, uris ...string) (cert, key []byte) {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))), NotBefore: until.Add(-2 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: usage,
	}
	for _, u := range uris {
		template.URIs = append(template.URIs, must(url.Parse(u)))
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key))
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(private))})
}

// secured is an api under TLS with two facilities.
type secured struct {
	*server

	web *webServer
	ca  *authority
	// files of the server
	cert, key, authorities string
}

func newSecured(t testing.TB) *secured {
	t.Helper()
	s := &secured{ca: newAuthority(t)}
	dir := t.TempDir()
	s.cert, s.key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s.rewrite(t, time.Now().Add(time.Hour))
	s.authorities = filepath.Join(dir, "ca.pem")
	s.trust(t, s.ca)
	settings, err := api.ServerTLS(s.cert, s.key, s.authorities, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	pool := newDatabase(t, testenv.Database(t), 10, "plant-1", "plant-2")
	c := api.Config{TLS: settings, Clients: api.Clients{
		"analyst": {"plant-1"}, "boss": {"plant-1", "plant-2", "plant-9"}, "nobody": nil,
	}, Users: api.Users{"anna": api.NewUser("correct horse", []string{"plant-1"})}}
	s.server, s.web = start(t, pool, c), startHTTP(t, pool, c)
	return s
}

// trust has the server accept clients of these authorities.
func (s *secured) trust(t testing.TB, all ...*authority) {
	t.Helper()
	var text []byte
	for _, a := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	}
	writeFile(t, s.authorities, text)
}

func (s *secured) rewrite(t testing.TB, until time.Time) {
	t.Helper()
	cert, key := s.ca.issue(until)
	writeFile(t, s.cert, cert)
	writeFile(t, s.key, key)
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// config returns settings of a client with a certificate of ca; without URIs with
// none.
func (s *secured) config(ca *authority, until time.Time, uris ...string) *tls.Config {
	c := &tls.Config{RootCAs: s.ca.pool(), MinVersion: tls.VersionTLS12}
	if len(uris) > 0 {
		cert, key := ca.issue(until, uris...)
		c.Certificates = []tls.Certificate{must(tls.X509KeyPair(cert, key))}
	}
	return c
}

// as returns a connection with such a certificate.
func (s *secured) as(t testing.TB, ca *authority, until time.Time, uris ...string) *grpc.ClientConn {
	t.Helper()
	return dial(t, s.addr, credentials.NewTLS(s.config(ca, until, uris...)))
}

func TestAccess(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	other := newAuthority(t)
	for name, tt := range map[string]struct {
		ca    *authority
		until time.Time
		uris  []string
		want  codes.Code
		rows  int // that it may read
	}{
		"one facility":           {s.ca, soon, []string{"sluice://client/analyst"}, codes.OK, 10},
		"two facilities":         {s.ca, soon, []string{"https://x/y", "sluice://client/boss"}, codes.OK, 20},
		"no facility":            {s.ca, soon, []string{"sluice://client/nobody"}, codes.OK, 0},
		"not in the list":        {s.ca, soon, []string{"sluice://client/stranger"}, codes.PermissionDenied, 0},
		"device":                 {s.ca, soon, []string{"sluice://device/analyst"}, codes.PermissionDenied, 0},
		"service":                {s.ca, soon, []string{"sluice://service/analyst"}, codes.PermissionDenied, 0},
		"client and device":      {s.ca, soon, []string{"sluice://client/analyst", "sluice://device/d"}, codes.PermissionDenied, 0},
		"two clients":            {s.ca, soon, []string{"sluice://client/analyst", "sluice://client/boss"}, codes.PermissionDenied, 0},
		"more behind the name":   {s.ca, soon, []string{"sluice://client/analyst/x"}, codes.PermissionDenied, 0},
		"parameters":             {s.ca, soon, []string{"sluice://client/analyst?x"}, codes.PermissionDenied, 0},
		"no URI of ours":         {s.ca, soon, []string{"https://client/analyst"}, codes.PermissionDenied, 0},
		"no certificate":         {s.ca, soon, nil, codes.Unauthenticated, 0},
		"of another authority":   {other, soon, []string{"sluice://client/analyst"}, codes.Unauthenticated, 0},
		"expired":                {s.ca, past, []string{"sluice://client/analyst"}, codes.Unauthenticated, 0},
		"expired, another's too": {other, past, []string{"sluice://client/boss"}, codes.Unauthenticated, 0},
		"not yet valid":          {s.ca, time.Now().Add(3 * time.Hour), []string{"sluice://client/boss"}, codes.Unauthenticated, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.as(t, tt.ca, tt.until, tt.uris...)
			c := sluicev1.NewSluiceServiceClient(conn)
			chunks, err := openAndDrain(c.QuerySensorRows(t.Context(), &sluicev1.QuerySensorRowsRequest{}))
			wantCode(t, "QuerySensorRows", err, tt.want)
			if n := count(chunks); n != tt.rows {
				t.Errorf("QuerySensorRows: got %d rows, want %d", n, tt.rows)
			}
			rows, err := openAndDrain(service.NewQueryClient(conn).GetSensorRows(t.Context(), &emptypb.Empty{}))
			wantCode(t, "GetSensorRows", err, tt.want)
			if len(rows) != tt.rows {
				t.Errorf("GetSensorRows: got %d rows, want %d", len(rows), tt.rows)
			}
			_, err = c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
			wantCode(t, "ListDevices", err, tt.want)
			_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
			wantCode(t, "health", err, tt.want)
		})
	}
}

// A facility that a client may not read is refused by every method, whether it
// exists or not; one that it may read and does not exist is not found.
func TestAccess_OfAFacility(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		client, facility string
		want             codes.Code
	}{
		{"analyst", "plant-1", codes.OK},
		{"analyst", "plant-2", codes.PermissionDenied},
		{"analyst", "plant-3", codes.PermissionDenied},
		{"analyst", "a b", codes.PermissionDenied},
		{"boss", "plant-2", codes.OK},
		{"boss", "plant-9", codes.NotFound},
		{"nobody", "plant-1", codes.PermissionDenied},
	} {
		c := sluicev1.NewSluiceServiceClient(s.as(t, s.ca, soon, "sluice://client/"+tt.client))
		f, ctx := []string{tt.facility}, t.Context()
		_, err := drain(query(t, c, &sluicev1.QuerySensorRowsRequest{Facilities: f}))
		wantCode(t, tt.client+" QuerySensorRows "+tt.facility, err, tt.want)
		_, err = c.ListDevices(ctx, &sluicev1.ListDevicesRequest{Facilities: f})
		wantCode(t, tt.client+" ListDevices "+tt.facility, err, tt.want)
		_, err = c.ListOutages(ctx, &sluicev1.ListOutagesRequest{Facilities: f})
		wantCode(t, tt.client+" ListOutages "+tt.facility, err, tt.want)
		_, err = c.ListRoutes(ctx, &sluicev1.ListRoutesRequest{Facilities: f})
		wantCode(t, tt.client+" ListRoutes "+tt.facility, err, tt.want)
		_, err = c.ListDeadLetters(ctx, &sluicev1.ListDeadLettersRequest{Facilities: f})
		wantCode(t, tt.client+" ListDeadLetters "+tt.facility, err, tt.want)
	}
}

// A page token is no way into another facility.
func TestAccess_TokenOfAnotherClient(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon := time.Now().Add(time.Hour)
	c := sluicev1.NewSluiceServiceClient(s.as(t, s.ca, soon, "sluice://client/analyst"))
	r, err := c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{PageToken: "eyJmIjoyfQ"}) // {"f":2}
	if err != nil || len(r.Devices) != 0 {
		t.Errorf("got %v, %v, want nothing", r, err)
	}
}

func TestServerTLS_OlderVersionsRefused(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	cert, key := s.ca.issue(time.Now().Add(time.Hour), "sluice://client/analyst")
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", s.addr, &tls.Config{
			RootCAs: s.ca.pool(), MinVersion: tls.VersionTLS10, MaxVersion: version, NextProtos: []string{"h2"},
			Certificates: []tls.Certificate{must(tls.X509KeyPair(cert, key))},
		})
		if (err == nil) != ok {
			t.Errorf("%s: got %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// Who is not known is told why, by every method, and reads nothing.
func TestAccess_TellsWhy(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	const uri = "sluice://client/boss"
	soon, past, later := time.Now().Add(time.Hour), time.Now().Add(-time.Minute), time.Now().Add(3*time.Hour)
	for name, tt := range map[string]struct {
		conn *grpc.ClientConn
		want string
	}{
		"none":      {s.as(t, s.ca, soon), "no client certificate; use one that an authority in client_ca has signed"},
		"other":     {s.as(t, newAuthority(t), soon, uri), "the client certificate is not signed by an authority in client_ca"},
		"expired":   {s.as(t, s.ca, past, uri), "the client certificate has expired, at " + past.UTC().Format(time.RFC3339)},
		"not valid": {s.as(t, s.ca, later, uri), "the client certificate is not valid before " + later.Add(-2*time.Hour).UTC().Format(time.RFC3339)},
	} {
		_, err := sluicev1.NewSluiceServiceClient(tt.conn).ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
		if got := status.Convert(err); got.Code() != codes.Unauthenticated || got.Message() != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
		stream, err := grpc_reflection_v1.NewServerReflectionClient(tt.conn).ServerReflectionInfo(t.Context())
		if err == nil {
			_, err = stream.Recv()
		}
		wantCode(t, name+", reflection", err, codes.Unauthenticated)
	}
}

// A certificate that names a client but is not for clients is refused, and a
// password counts over HTTP alone.
func TestAccess_NoOtherCredentialOnTheGRPCPort(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	c := sluicev1.NewSluiceServiceClient(s.as(t, s.ca, time.Now().Add(time.Hour)))
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("anna:correct horse"))
	_, err := c.ListDevices(metadata.AppendToOutgoingContext(t.Context(), "authorization", basic), &sluicev1.ListDevicesRequest{})
	wantCode(t, "password", err, codes.Unauthenticated)

	certificate, key := s.ca.issueFor([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, time.Now().Add(time.Hour), "sluice://client/boss")
	config := s.config(s.ca, time.Now())
	config.Certificates = []tls.Certificate{must(tls.X509KeyPair(certificate, key))}
	c = sluicev1.NewSluiceServiceClient(dial(t, s.addr, credentials.NewTLS(config)))
	_, err = c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
	wantCode(t, "certificate of a server", err, codes.Unauthenticated)
}

// A certificate that expires while its connection is open counts no more.
func TestAccess_ExpiresOnAnOpenConnection(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	c := sluicev1.NewSluiceServiceClient(s.as(t, s.ca, time.Now().Add(3*time.Second), "sluice://client/boss"))
	_, err := c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
	wantCode(t, "at first", err, codes.OK)
	testenv.Eventually(t, within, func() error {
		_, err := c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
		if status.Code(err) != codes.Unauthenticated {
			return fmt.Errorf("got %w, want a refusal", err)
		}
		return nil
	})
}

// Another client_ca counts from the next call on, also on a connection that is
// open; a broken one does not count, and what is open goes on.
func TestServerTLS_ReloadOfTheAuthorities(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon, other := time.Now().Add(time.Hour), newAuthority(t)
	old := sluicev1.NewSluiceServiceClient(s.as(t, s.ca, soon, "sluice://client/boss"))
	fresh := sluicev1.NewSluiceServiceClient(s.as(t, other, soon, "sluice://client/boss"))
	wants := func(what string, oldCode, freshCode codes.Code) {
		t.Helper()
		_, err := old.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
		wantCode(t, what+", the old one", err, oldCode)
		_, err = fresh.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
		wantCode(t, what+", the new one", err, freshCode)
	}
	wants("at first", codes.OK, codes.Unauthenticated)
	stream := query(t, old, &sluicev1.QuerySensorRowsRequest{})
	s.trust(t, s.ca, other)
	wants("both", codes.OK, codes.OK)
	writeFile(t, s.authorities, []byte("-----BEGIN CERTIFICATE-----\nhalf"))
	wants("broken", codes.OK, codes.OK)
	s.trust(t, other)
	wants("the other", codes.Unauthenticated, codes.OK)
	if chunks, err := drain(stream); err != nil || count(chunks) != 20 {
		t.Errorf("the open stream: got %d rows, %v", count(chunks), err)
	}
}

// A new certificate counts from the next connection on; a broken one does not
// count, and what is open goes on.
func TestServerTLS_Reload(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon := time.Now().Add(time.Hour)
	open := sluicev1.NewSluiceServiceClient(s.as(t, s.ca, soon, "sluice://client/boss"))
	serves := func(what string, c sluicev1.SluiceServiceClient, want codes.Code) {
		t.Helper()
		_, err := c.ListDevices(t.Context(), &sluicev1.ListDevicesRequest{})
		wantCode(t, what, err, want)
	}
	fresh := func() sluicev1.SluiceServiceClient {
		return sluicev1.NewSluiceServiceClient(s.as(t, s.ca, soon, "sluice://client/boss"))
	}
	serves("at first", open, codes.OK)
	s.rewrite(t, time.Now().Add(-time.Minute))
	serves("the new one has expired", fresh(), codes.Unavailable)
	serves("the open connection", open, codes.OK)
	s.rewrite(t, soon)
	serves("the third one", fresh(), codes.OK)
	writeFile(t, s.key, []byte("half"))
	serves("a broken key", fresh(), codes.OK)
	if _, err := api.ServerTLS(s.cert, s.key, s.cert, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a broken key is accepted at the start")
	}
}
