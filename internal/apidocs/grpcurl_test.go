package apidocs

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/testenv"
)

const listDevices = "sluice.v1.SluiceService/ListDevices"

// exitOf is the exit status of grpcurl when a call ends with a code.
func exitOf(code int) int { return 64 + code }

// Codes of gRPC.
const (
	permissionDenied = 7
	unauthenticated  = 16
)

// secure is a real api under TLS, called with the real grpcurl.
type secure struct {
	t     *testing.T
	tool  string
	w     *world
	where endpoints
	proto string // folder of the contract
}

func newSecure(t *testing.T) *secure {
	t.Helper()
	tool, err := grpcurl()
	must(t, err)
	proto, err := filepath.Abs(filepath.Join(top, "proto"))
	must(t, err)
	w := newWorld(t, "CREATE ROLE api LOGIN IN ROLE sluice_reader")
	return &secure{t, tool, w, w.start(w.tls()), proto}
}

// command is a call of grpcurl with a certificate, none if it is empty.
func (s *secure) command(ctx context.Context, cert string, args ...string) *exec.Cmd {
	all := []string{"-cacert", "ca.crt"}
	if cert != "" {
		all = append(all, "-cert", cert+".crt", "-key", cert+".key")
	}
	cmd := exec.CommandContext(ctx, s.tool, append(all, args...)...)
	cmd.Dir = s.w.certs
	return cmd
}

// run returns what grpcurl prints and its exit status.
func (s *secure) run(cert string, args ...string) (string, int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	out, err := s.command(ctx, cert, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// call calls ListDevices for a facility, without asking reflection first.
func (s *secure) call(cert, facility string) (string, int) {
	s.t.Helper()
	return s.run(cert, "-import-path", s.proto, "-proto", "api.proto",
		"-d", fmt.Sprintf(`{"facilities": [%q]}`, facility), s.where.grpc, listDevices)
}

func TestGrpcurl_ListsAndCallsWithAClientsCertificate(t *testing.T) {
	t.Parallel()
	s := newSecure(t)
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{s.where.grpc, "list"}, []string{
			"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "service.Query", "sluice.v1.SluiceService",
		}},
		{[]string{s.where.grpc, "list", "sluice.v1.SluiceService"}, []string{"QuerySensorRows", "TailSensorRows", "AggregateSensor"}},
		{[]string{s.where.grpc, listDevices}, []string{`"device": "d1"`, `"device": "d2"`}},
		{[]string{s.where.grpc, "service.Query/GetSensorRows"}, []string{`"entryId": "20"`}},
		{[]string{s.where.grpc, "sluice.v1.SluiceService/QuerySensorRows"}, []string{`"facility": "plant-1"`}},
		{[]string{s.where.grpc, "grpc.health.v1.Health/Check"}, []string{"SERVING"}},
	} {
		out, exit := s.run("analyst", tt.args...)
		for _, want := range tt.want {
			if exit != 0 || !strings.Contains(out, want) {
				t.Errorf("%v: got exit status %d, want %q in %s", tt.args, exit, want, out)
			}
		}
		if strings.Contains(out, "plant-2") {
			t.Errorf("%v: the analyst sees plant-2: %s", tt.args, out)
		}
	}
}

// Each refusal has its code, by reflection and without it, and disturbs nobody: a
// tail of another client, open all the while, gets what is stored meanwhile.
func TestGrpcurl_RefusalsHaveTheirCodes(t *testing.T) {
	t.Parallel()
	s := newSecure(t)
	tail := s.openTail("boss")
	for _, tt := range []struct {
		name, cert, facility string
		code                 int
		word                 string
		reflection           bool // is refused, too
	}{
		{"no certificate", "", "plant-1", unauthenticated, "Unauthenticated", true},
		{"another authority's", "foreign", "plant-1", unauthenticated, "Unauthenticated", true},
		{"expired", "expired", "plant-1", unauthenticated, "Unauthenticated", true},
		{"a device's", "device", "plant-1", permissionDenied, "PermissionDenied", true},
		{"a client that nobody knows", "stranger", "plant-1", permissionDenied, "PermissionDenied", true},
		{"a facility that it may not read", "analyst", "plant-2", permissionDenied, "PermissionDenied", false},
		{"a facility that does not exist", "analyst", "plant-3", permissionDenied, "PermissionDenied", false},
	} {
		out, exit := s.call(tt.cert, tt.facility)
		if exit != exitOf(tt.code) || !strings.Contains(out, tt.word) {
			t.Errorf("%s: got exit status %d, want %d and %s: %s", tt.name, exit, exitOf(tt.code), tt.word, out)
		}
		if out, exit := s.run(tt.cert, s.where.grpc, "list"); tt.reflection && (exit == 0 || !strings.Contains(out, tt.word)) {
			t.Errorf("%s, list: got exit status %d, want %s: %s", tt.name, exit, tt.word, out)
		}
		tail.next(tt.name)
	}
	if out, exit := s.call("boss", "plant-2"); exit != 0 {
		t.Errorf("the other client: got exit status %d: %s", exit, out)
	}
}

// tail is a grpcurl that reads readings of plant-2 as they are stored.
type tail struct {
	s    *secure
	out  *growing
	last int
}

func (s *secure) openTail(cert string) *tail {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.command(ctx, cert, "-d", `{"facilities": ["plant-2"]}`, s.where.grpc, "sluice.v1.SluiceService/TailSensorRows")
	tl := &tail{s: s, out: &growing{}, last: 20}
	cmd.Stdout, cmd.Stderr = tl.out, tl.out
	must(s.t, cmd.Start())
	s.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	tl.await("the first", "20")
	return tl
}

// next stores a reading and waits until the tail has it.
func (tl *tail) next(during string) {
	tl.s.t.Helper()
	tl.last++
	tl.s.w.sql(fmt.Sprintf(`
		INSERT INTO data.sensor (facility_id, entry_id, device, temp, rh, epoch) VALUES (2, %[1]d, 'd1', 1, 1, 1700001000 + %[1]d);
		UPDATE sluice.entry_counter SET last_id = %[1]d WHERE facility_id = 2`, tl.last))
	tl.await(during, fmt.Sprint(tl.last))
}

func (tl *tail) await(during, entry string) {
	tl.s.t.Helper()
	testenv.Eventually(tl.s.t, within, func() error {
		if out := tl.out.String(); !strings.Contains(out, `"`+entry+`"`) {
			return fmt.Errorf("%s: entry %s is not in the tail: %s", during, entry, out)
		}
		return nil
	})
}
