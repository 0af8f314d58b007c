package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doorOnly is a configuration without a broker.
var doorOnly = strings.Replace(minimal, "broker: {url: mqtt://broker}\n", "", 1)

func TestLoad_Listen(t *testing.T) {
	cert, key := writeCertificate(t)
	text := fmt.Sprintf(`listen:
  addresses:
    - {address: "127.0.0.1:1883"}
    - {address: ":8883", tls: {cert: %s, key: %s}}
    - {address: ":8884", tls: {cert: %[1]s, key: %[2]s, client_ca: %[1]s}}
    - {address: ":1884", insecure: true}
  users: %[1]s
  acl: %[1]s
  subscriber_queue: {on_full: disconnect}
`, cert, key)
	c := mustLoad(t, doorOnly+text, nil)
	want := []ListenAddress{
		{Address: "127.0.0.1:1883"},
		{Address: ":8883", TLS: ServerTLSFiles{Cert: cert, Key: key}},
		{Address: ":8884", TLS: ServerTLSFiles{Cert: cert, Key: key, ClientCA: cert}},
		{Address: ":1884", Insecure: true},
	}
	if diff := cmp.Diff(want, c.Listen.Addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !c.Listen.Given() || c.Listen.SubscriberQueue.OnFull != "disconnect" {
		t.Errorf("got %+v", c.Listen)
	}
}

// Where every client has a certificate nobody needs a password.
func TestLoad_Listen_CertificatesOnly(t *testing.T) {
	cert, key := writeCertificate(t)
	mustLoad(t, doorOnly+fmt.Sprintf("listen: {addresses: [{address: \":8883\", tls: {cert: %s, key: %s, client_ca: %s}}]}\n", cert, key, cert), nil)
}

// Services that publish find the door at its first address, without reading its files.
func TestLoad_Listen_IsTheBrokerOfOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, listen, env, want string }{
		{"first address", `[{address: "127.0.0.1:1884"}, {address: ":8883"}]`, "", "mqtt://127.0.0.1:1884"},
		{"any host", `[{address: ":1883"}]`, "", "mqtt://localhost:1883"},
		{"TLS", `[{address: "[::]:8884", tls: {cert: /no/such, key: /no/such}}]`, "", "mqtts://localhost:8884"},
		{"variable", `[{address: "${DOOR}"}]`, "DOOR=door:1", "mqtt://door:1"},
		{"named apart", `[{address: ":1883"}]`, "SLUICE_BROKER_URL=mqtts://door.example", "mqtts://door.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, "broker: {user: clock}\nlisten: {addresses: "+tt.listen+"}\n", []string{tt.env}, Only("broker", "clock"))
			if got := c.Broker.URL.String(); got != tt.want || c.Broker.User != "clock" {
				t.Errorf("got %s of %s, want %s", got, c.Broker.User, tt.want)
			}
		})
	}
	got := faultsOf(t, `listen: {addresses: [{address: "127.0.0.1:0"}]}`, nil, Only("broker", "clock"))
	if want := "broker.url: missing; set it here or SLUICE_BROKER_URL"; !strings.Contains(got, want) {
		t.Errorf("a port that is not known: got %q, want %q", got, want)
	}
}

// A batch-router has one way for messages to come in.
func TestLoad_Listen_OrBroker(t *testing.T) {
	t.Parallel()
	const listen = "listen: {addresses: [{address: \"127.0.0.1:1883\"}]}\n"
	router := Only("facility", "broker", "listen", "queue", "store")
	mustLoad(t, doorOnly+listen, nil, router)
	for _, tt := range []struct{ name, text, want string }{
		{"neither", doorOnly, "sluice.yaml: broker.url: missing; set it here or SLUICE_BROKER_URL, for example mqtts://broker:8883, or give listen.addresses to which devices connect"},
		{"users of a broker's", minimal + "listen: {users: /no/such}\n", "sluice.yaml:5: listen.users: has no effect without listen.addresses; give it or remove the key"},
		{"both", minimal + listen, "sluice.yaml:5: listen.addresses: broker.url is given too; a batch-router either reads a broker or listens itself: remove one of them"},
	} {
		if diff := cmp.Diff(tt.want, faultsOf(t, tt.text, nil, router)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestLoad_Listen_Faults(t *testing.T) {
	cert, key := writeCertificate(t)
	_, other := writeCertificate(t)
	pair := fmt.Sprintf("cert: %s, key: %s", cert, key)
	const reach = " can be reached from other machines, which needs tls; give it, use 127.0.0.1, or say `insecure: true` where something before it has taken TLS off"
	users := ", users: " + cert
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "addresses: []", "listen.addresses: is empty; name at least one address, or remove listen and read the broker"},
		{"no address", "addresses: [{insecure: true}]" + users, "listen.addresses[0].address: missing; set it here, for example :8883"},
		{"off", "addresses: [{address: off}]" + users, "listen.addresses[0].address: off is not allowed; remove the address"},
		{"plain", `addresses: [{address: ":1883"}]` + users, `listen.addresses[0].address: ":1883"` + reach},
		{"no users", `addresses: [{address: ":1883", insecure: true}]`, "listen.users: missing; addresses that other machines reach need users, or tls with client_ca"},
		{"no key", fmt.Sprintf(`addresses: [{address: ":1883", tls: {cert: %s}}]`, cert) + users, "listen.addresses[0].tls.key: missing; listen.addresses[0].tls needs cert and key"},
		{"key of another", fmt.Sprintf(`addresses: [{address: ":1883", tls: {cert: %s, key: %s}}]`, cert, other) + users, fmt.Sprintf("listen.addresses[0].tls.cert: cannot be used with key %q: tls: private key does not match public key", other)},
		{"authority without one", `addresses: [{address: ":1883", tls: {` + pair + `, client_ca: testdata/not-a-cert.txt}}]`, `listen.addresses[0].tls.client_ca: "testdata/not-a-cert.txt": no certificate in PEM form in it`},
		{"no file", `addresses: [{address: "127.0.0.1:1"}], users: /no/such`, `listen.users: cannot read "/no/such": no such file or directory`},
		{"folder", `addresses: [{address: "127.0.0.1:1"}], acl: /tmp`, `listen.acl: "/tmp" is not a regular file`},
		{"port twice", `addresses: [{address: "127.0.0.1:1"}, {address: "127.0.0.1:1"}]`, "listen.addresses[1].address: port 1 is also that of listen.addresses[0].address; give each its own"},
		{"on full", `addresses: [{address: "127.0.0.1:1"}], subscriber_queue: {on_full: drop}`, `listen.subscriber_queue.on_full: "drop" is unknown; use one of drop_oldest, disconnect`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, doorOnly+"listen: {"+tt.text+"}\n", nil)
			if diff := cmp.Diff("sluice.yaml:4: "+tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}
