package hostiletest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/certs"
	"sluice/deploy"
	"sluice/internal/testenv"
	"sluice/users"
)

// adapt returns the lines of a shipped configuration. Those that belong to an
// installation have the values of this one, by their first word; "" leaves one out. A
// word that is not in the text is a fault of the test: it would test something else.
func adapt(t testing.TB, text string, own map[string]string) (lines []string) {
	t.Helper()
	met := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, _, _ := strings.Cut(line, " ")
		value, replaced := own[key]
		switch {
		case line == "" || line[0] == '#':
		case !replaced:
			lines = append(lines, line)
		case value != "":
			lines = append(lines, key+" "+value)
		}
		met[key] = true
	}
	for key := range own {
		if !met[key] {
			t.Fatalf("the shipped configuration has no %q any more", key)
		}
	}
	return lines
}

// startMosquitto starts a broker with mosquitto.conf and tls.conf, and returns the
// address at which it asks for both proofs. The plain listener of the test environment
// obeys the same users and rights; nobody uses it.
func startMosquitto(t testing.TB, ca string, own certs.Certificate, u users.Files) (server *testenv.Server, address string) {
	t.Helper()
	address = testenv.Address(t)
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	return testenv.Mosquitto(t, testenv.Config(adapt(t, deploy.MosquittoTLS(), map[string]string{
		"include_dir": "", "persistence_location": "", // those of the test environment
		"listener": port + " 127.0.0.1", "cafile": ca, "certfile": own.Cert, "keyfile": own.Key,
		"password_file": u.Passwords, "acl_file": u.ACL,
	})...)), address
}

// routerPassword is that of the router at Redis.
const routerPassword = "a password of the router"

// overseer is a line of the users of Redis for the test itself.
const overseer = "user overseer on nopass ~* &* +@all\n"

// startRedis starts a Redis with redis.conf, tls.conf and users.acl.in. It answers the
// router, with TLS, at address. The plain port obeys the same users.
func startRedis(t testing.TB, ca string, own certs.Certificate) (server *testenv.Server, address string) {
	t.Helper()
	address = testenv.Address(t)
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	acl := filepath.Join(t.TempDir(), "users.acl")
	must(t, os.WriteFile(acl, nil, 0o600)) // until it has answered the test environment
	server = testenv.Redis(t, testenv.Config(adapt(t, deploy.RedisTLS(), map[string]string{
		"include": "", "port": "", "dir": "", // those of the test environment
		"tls-port": port, "tls-ca-cert-file": ca, "tls-cert-file": own.Cert, "tls-key-file": own.Key, "aclfile": acl,
	})...))
	loadUsers(t, server, acl)
	return server, address
}

// loadUsers has Redis take the shipped users, with the test's own beside them.
func loadUsers(t testing.TB, server *testenv.Server, path string) {
	t.Helper()
	hash := sha256.Sum256([]byte(routerPassword))
	text := strings.ReplaceAll(deploy.RedisUsers(), "@ROUTER_SHA256@", hex.EncodeToString(hash[:]))
	must(t, os.WriteFile(path, []byte(text+overseer), 0o600))
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "ACL LOAD\r\n")
	answer := make([]byte, 500)
	n, err := conn.Read(answer)
	must(t, err)
	if got := string(answer[:n]); got != "+OK\r\n" {
		t.Fatalf("ACL LOAD: %s", got)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
