package integration

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"sluice/internal/testenv"
)

// knock runs testdata/knock.py in one of the stack's networks, see there.
func (s *stack) knock(network, host, port, protocol, certificate, words string) string {
	s.t.Helper()
	if certificate != "-" {
		certificate = "/s/ca/" + certificate
	}
	script := absolute(s.t, root+"/internal/integration/testdata/knock.py")
	return s.docker("run", "--rm", "--user", "0:0", "--network", "sluice-it-"+s.profile+"_"+network,
		"--volume", s.dir+"/secrets:/s:ro", "--volume", script+":/knock.py:ro", "--entrypoint", "python3", "python:3.13-alpine",
		"/knock.py", host, port, protocol, certificate, words)
}

// nobodyWithoutCertificate knocks at every server and the API without the right
// certificate, from inside its network.
func (s *stack) nobodyWithoutCertificate() {
	const (
		connect = `\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00` // no user
		devices = "GET /v1/devices HTTP/1.1\\r\\nHost: api\\r\\nConnection: close\\r\\n\\r\\n"
	)
	// Some tell the client why, some hang up at the end of the handshake.
	const noCertificate = `refused: .*(certificate required|EOF occurred|reset by peer)`
	for _, c := range []struct{ what, network, host, port, protocol, certificate, words, want string }{
		{"Redis", "queue", "redis", "6379", "tls", "-", `PING\r\n`, noCertificate},
		{"Redis with a certificate and no password", "queue", "redis", "6379", "tls", "fleet", `KEYS *\r\n`, "NOAUTH"},
		{"Redis as the health check", "queue", "redis", "6379", "tls", "fleet", `AUTH ping x\r\nKEYS *\r\n`, "NOPERM"},
		{"MQTT", "devices", "mqtt", "8883", "tls", "-", connect, noCertificate},
		{"MQTT with a certificate and no password", "devices", "mqtt", "8883", "tls", "fleet", connect, `^ \x02\x00[\x04\x05]`},
		{"PostgreSQL", "rows", "postgres", "5432", "postgres", "-", startup("router"), "requires a valid client certificate"},
		{"PostgreSQL as its superuser", "rows", "postgres", "5432", "postgres", "router", startup("postgres"), "no pg_hba.conf entry"},
		{"api", "rows", "api", "3001", "tls", "-", devices, "HTTP/1.1 401"},
		{"api with a device's certificate", "rows", "api", "3001", "tls", "fleet", devices, "HTTP/1.1 403"},
		{"api with a service's certificate", "rows", "api", "3001", "tls", "router", devices, "HTTP/1.1 403"},
		{"api with a reader's certificate", "rows", "api", "3001", "tls", "analyst", devices, "HTTP/1.1 200"},
	} {
		if out := s.knock(c.network, c.host, c.port, c.protocol, c.certificate, c.words); !regexp.MustCompile(c.want).MatchString(out) {
			s.t.Errorf("%s: want %q, got %q", c.what, c.want, out)
		}
	}
	s.roles()
}

// startup is the first message of a client of PostgreSQL, as knock takes it.
func startup(user string) string {
	words := "user\x00" + user + "\x00database\x00sluice\x00\x00"
	return fmt.Sprintf(`\x00\x00\x00\x%02x\x00\x03\x00\x00%s`, 8+len(words), strings.ReplaceAll(words, "\x00", `\x00`))
}

// refusal is how PostgreSQL says no.
var refusal = regexp.MustCompile(`permission denied|authentication failed|no pg_hba.conf entry`)

// roles tries in the database what the logins may not do, as themselves.
func (s *stack) roles() {
	for _, c := range []struct{ role, certificate, password, sql string }{
		{"router", "router", "router", "SELECT temp FROM data.sensor LIMIT 1"},
		{"router", "router", "router", "DELETE FROM data.sensor"},
		{"router", "router", "router", "UPDATE data.sensor SET temp = 1"},
		{"api", "api", "api", "BEGIN READ WRITE; INSERT INTO data.facility (name) VALUES ('x')"},
		{"api", "api", "api", "BEGIN READ WRITE; DELETE FROM data.outage"},
		{"router", "api", "router", "SELECT 1"}, // the password, but not the certificate
		{"postgres", "postgres", "superuser", "SELECT 1"},
	} {
		url := fmt.Sprintf("host=postgres dbname=sluice user=%s sslmode=verify-full sslrootcert=/s/ca/ca.crt sslcert=/s/ca/%s.crt sslkey=/s/ca/%[2]s.key", c.role, c.certificate)
		out, err := s.run("docker", "run", "--rm", "--user", "0:0", "--network", "sluice-it-"+s.profile+"_rows", "--volume", s.dir+"/secrets:/s:ro",
			"--entrypoint", "sh", "postgres:17", "-c",
			fmt.Sprintf(`PGPASSWORD="$(cat /s/postgres/%s)" psql -X -v ON_ERROR_STOP=1 -d '%s' -c "%s" 2>&1`, c.password, url, c.sql))
		if err == nil || !refusal.MatchString(out) {
			s.t.Errorf("%s with the certificate %s: %s: %v, %q", c.role, c.certificate, c.sql, err, out)
		}
	}
}

// renew replaces every certificate while the load sends, and lets the servers take the
// new ones over; Redis does by the restart that follows.
func (s *stack) renew() {
	before := s.secrets()
	s.docker("run", "--rm", "--user", "0:0", "--network", "none", "--volume", s.dir+"/secrets:/secrets",
		"localhost/sluice/sluice:"+tag, "certs", "renew", "/secrets/ca", "--before", "825d")
	s.script("scripts/secrets.sh")
	after := s.secrets()
	for name := range before {
		renewed := !bytes.Equal(before[name], after[name])
		if want := strings.HasSuffix(name, "/tls.crt"); want && !renewed {
			s.t.Errorf("%s is not renewed", name)
		} else if strings.HasSuffix(name, ".key") && renewed {
			s.t.Errorf("%s is another one", name)
		}
	}
	for _, server := range s.servers() {
		if server != "redis" {
			s.compose("kill", "-s", "HUP", server)
		}
	}
	mqtt := map[string]string{"broker": "broker", "door": "batch-router"}[s.profile]
	s.serves("devices", "mqtt", "8883", "cert", after[mqtt+"/tls.crt"])
	s.serves("rows", "postgres", "5432", "postgres-cert", after["postgres/tls.crt"])
	s.serves("rows", "api", "3000", "cert", after["api/tls.crt"])
}

// serves waits until a server shows that certificate.
func (s *stack) serves(network, host, port, protocol string, certificate []byte) {
	s.t.Helper()
	testenv.Eventually(s.t, time.Minute, func() error {
		if out := s.knock(network, host, port, protocol, "fleet", ""); strings.TrimSpace(out) != strings.TrimSpace(string(certificate)) {
			return fmt.Errorf("%s shows another certificate than the new one:\n%s", host, out)
		}
		return nil
	})
}

// noSecretIsSeen looks for every secret in the images, in what Docker tells of the
// containers, and in the logs.
func (s *stack) noSecretIsSeen() {
	words := map[string]string{}
	for name, data := range s.secrets() {
		text := strings.TrimSpace(string(data))
		switch {
		case strings.HasSuffix(name, ".key"): // any line of its body
			words[name] = strings.Split(text, "\n")[1]
		case strings.HasSuffix(name, ".crt"), strings.Contains(name, ".txt"), strings.Contains(name, ".acl"), strings.HasSuffix(name, "mosquitto_sub"), len(data) == 0:
		default:
			words[name] = text
		}
	}
	if len(words) < fleet+10 {
		s.t.Errorf("only %d secrets", len(words))
	}
	places := map[string]string{
		"docker inspect": s.docker(append([]string{"inspect"}, s.containers()...)...),
		"the logs":       s.compose("logs", "--no-color"),
	}
	for _, image := range []string{"batch-router", "api", "clock", "device", "sluice"} {
		name := "localhost/sluice/" + image + ":" + tag
		saved := s.docker("save", name)
		if !strings.Contains(saved, "sluice/config") { // a name in every binary
			s.t.Errorf("%s: its layers cannot be read", name)
		}
		places["the image "+image] = saved
		places["the history of "+image] = s.docker("history", "--no-trunc", name)
	}
	for place, text := range places {
		for name, word := range words {
			if len(word) < 20 {
				s.t.Errorf("%s: %q is too short to look for", name, word)
			} else if strings.Contains(text, word) {
				s.t.Errorf("%s shows %s", place, name)
			}
		}
	}
	s.t.Logf("%d secrets: none in %d places", len(words), len(places))
}
