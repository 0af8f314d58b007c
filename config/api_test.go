package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLoad_API(t *testing.T) {
	cert, key := writeCertificate(t)
	text := fmt.Sprintf(`
api:
  grpc: ":3000"
  http: ":3001"
  tls: {cert: %s, key: %s, client_ca: %s}
  clients:
    - {name: analyst, facilities: [plant-1, plant-2]}
    - {name: night, facilities: plant-1}
  http_users:
    - {name: anna, password: "%s, long enough", facilities: plant-1}
`, cert, key, cert, hidden)
	c := mustLoad(t, minimal+text, nil)
	want := API{
		GRPC: ":3000", HTTP: ":3001", MaxStreams: 100, SlowQuery: time.Second, TLS: ServerTLSFiles{Cert: cert, Key: key, ClientCA: cert},
		Clients:   []Client{{"analyst", []string{"plant-1", "plant-2"}}, {"night", []string{"plant-1"}}},
		HTTPUsers: []HTTPUser{{"anna", NewSecret(hidden + ", long enough"), []string{"plant-1"}}},
	}
	if diff := cmp.Diff(want, c.API); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var shown bytes.Buffer
	if err := c.Show(&shown); err != nil {
		t.Fatal(err)
	}
	refuseSecret(t, "show", shown.String())
}

func TestLoad_API_OnLoopbackWithoutTLS(t *testing.T) {
	for _, address := range []string{"127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "localhost:1", "[::ffff:127.0.0.1]:0"} {
		mustLoad(t, minimal, []string{"SLUICE_API_GRPC=" + address})
	}
}

func TestLoad_API_Faults(t *testing.T) {
	cert, key := writeCertificate(t)
	_, other := writeCertificate(t)
	files := fmt.Sprintf("tls: {cert: %s, key: %s, client_ca: %s}", cert, key, cert)
	open := func(address string) string {
		return fmt.Sprintf("api.grpc: %q can be reached from other machines, which needs api.tls; give it, or use 127.0.0.1", address)
	}
	tests := []struct{ name, text, want string }{
		{"any host", `grpc: ":3000"`, open(":3000")},
		{"all hosts", `grpc: "0.0.0.0:3000"`, open("0.0.0.0:3000")},
		{"another host", `grpc: "10.0.0.1:3000"`, open("10.0.0.1:3000")},
		{"a name", `grpc: "api:3000"`, open("api:3000")},
		{"off", `grpc: off`, "api.grpc: off is not allowed; without an api, do not start it"},
		{"HTTP on any host", `http: ":3001"`, strings.Replace(open(":3001"), "grpc", "http", 1)},
		{"one port", `http: "127.0.0.1:3000"`, "api.http: port 3000 is also that of api.grpc; give each its own"},
		{"users without TLS", "http_users: [{name: a, password: 12345678, facilities: b}]", "api.http_users: has no effect without api.tls, where everybody may read everything; give api.tls or remove the key"},
		{"no password", files + ", http_users: [{name: a, facilities: b}]", "api.http_users[0].password: missing; every user needs one, here or as password_file"},
		{"short password", files + ", http_users: [{name: a, password: 1234567, facilities: b}]", "api.http_users[0].password: has 7 bytes; use 8 or more"},
		{"user twice", files + ", http_users: [{name: a, password: 12345678, facilities: b}, {name: a, password: 12345678, facilities: b}]", `api.http_users[1].name: "a" is also the name of api.http_users[0]; give each user its own`},
		{"user of nothing", files + ", http_users: [{name: a, password: 12345678, facilities: []}]", "api.http_users[0].facilities: is empty; name at least one, or remove the user"},
		{"no streams", "max_streams: 0", "api.max_streams: 0 is not allowed; use 1 or more"},
		{"two of three files", fmt.Sprintf(`grpc: ":1", tls: {cert: %s, key: %s}`, cert, key), "api.tls.client_ca: missing; api.tls needs cert, key and client_ca"},
		{"key of another", fmt.Sprintf(`tls: {cert: %s, key: %s, client_ca: %s}`, cert, other, cert), fmt.Sprintf("api.tls.cert: cannot be used with key %q: tls: private key does not match public key", other)},
		{"authority without one", fmt.Sprintf(`tls: {cert: %s, key: %s, client_ca: testdata/not-a-cert.txt}`, cert, key), `api.tls.client_ca: "testdata/not-a-cert.txt": no certificate in PEM form in it`},
		{"no such file", fmt.Sprintf(`grpc: ":1", tls: {cert: %s, key: /no/such, client_ca: %s}`, cert, cert), `api.tls.key: cannot read "/no/such": no such file or directory`},
		{"clients without TLS", "clients: [{name: a, facilities: b}]", "api.clients: has no effect without api.tls, where everybody may read everything; give api.tls or remove the key"},
		{"no name", files + ", clients: [{facilities: b}]", "api.clients[0].name: missing; set it here, for example analyst"},
		{"no facilities", files + ", clients: [{name: a}]", "api.clients[0].facilities: missing; set it here, for example plant-1"},
		{"empty facilities", files + ", clients: [{name: a, facilities: []}]", "api.clients[0].facilities: is empty; name at least one, or remove the client"},
		{"name", files + ", clients: [{name: a/b, facilities: b}]", `api.clients[0].name: "a/b" is not a name; ` + nameRule},
		{"facility", files + ", clients: [{name: a, facilities: [b, \"*\"]}]", `api.clients[0].facilities: "*" is not a name; ` + nameRule},
		{"name twice", files + ", clients: [{name: a, facilities: b}, {name: a, facilities: c}]", `api.clients[1].name: "a" is also the name of api.clients[0]; give each client its own`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, minimal+"api: {"+tt.text+"}\n", nil)
			if diff := cmp.Diff("sluice.yaml:5: "+tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// What the example shows of clients loads when it is no comment any more.
func TestExample_ClientsLoad(t *testing.T) {
	cert, key := writeCertificate(t)
	text := regexp.MustCompile(`(?m)^( *)#((- name|clients|http_users|password|facilities):)`).ReplaceAllString(section(t, "api"), "$1$2")
	c := mustLoad(t, minimal+text, []string{"SLUICE_API_TLS_CERT=" + cert, "SLUICE_API_TLS_KEY=" + key, "SLUICE_API_TLS_CLIENT_CA=" + cert})
	if diff := cmp.Diff([]Client{{"analyst", []string{"plant-1"}}}, c.API.Clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]HTTPUser{{"anna", NewSecret("correct horse"), []string{"plant-1"}}}, c.API.HTTPUsers); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}
