package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"

	"go.yaml.in/yaml/v4"
)

// waived tells that a required value is not needed: of broker and listen there is one.
func (l *loader) waived(path string) bool { return path == "broker.url" && l.reads("listen") }

func (l *loader) checkDoor() {
	door := &l.cfg.Listen
	if l.skip("listen") {
		return
	}
	l.checkWay()
	if !door.Given() {
		l.needsAddresses()
		return
	}
	certified := true
	for i := range door.Addresses {
		path, a := fmt.Sprintf("listen.addresses[%d]", i), &door.Addresses[i]
		l.checkRequired(reflect.ValueOf(a).Elem(), path)
		l.checkDoorTLS(path+".tls", a.TLS)
		certified = certified && (a.TLS.ClientCA != "" || loopback(a.Address))
		l.checkReach(path, a)
	}
	if !certified && door.Users == "" && !l.given("listen.users") {
		l.faultf("listen.users", "missing; addresses that other machines reach need users, or tls with client_ca")
	}
	l.checkThere("listen.users", door.Users)
	l.checkThere("listen.acl", door.ACL)
}

// checkWay reports a batch-router with no way for messages to come in, or with two.
func (l *loader) checkWay() {
	if !l.reads("broker") {
		return
	}
	broker, door := l.given("broker.url"), l.given("listen.addresses")
	switch {
	case !broker && !door:
		l.faultf("broker.url", "missing; set it here or SLUICE_BROKER_URL, for example mqtts://broker:8883, or give listen.addresses to which devices connect")
	case broker && door && !l.broken("broker.url") && !l.broken("listen.addresses"):
		l.faultf("listen.addresses", "broker.url is given too; a batch-router either reads a broker or listens itself: remove one of them")
	}
}

// findDoor makes the first address of listen the broker for want of another. It does
// so in programs that do not read listen, too: what is wrong there is not their
// concern.
func (l *loader) findDoor(root *yaml.Node) {
	if !l.reads("broker") || l.given("broker.url") {
		return
	}
	listen := newLoader(l.file, nil, []Option{Only("listen")})
	listen.env = l.env
	listen.decodeStruct(root, reflect.ValueOf(listen.cfg).Elem(), "")
	if addresses := listen.cfg.Listen.Addresses; len(addresses) > 0 {
		l.cfg.Broker.URL = DoorURL(addresses[0].Address, listen.given("listen.addresses[0].tls"))
	}
}

// DoorURL is where this machine finds what listens on address; no URL if that cannot
// be told.
func DoorURL(address string, secure bool) URL {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return URL{}
	}
	if anyHost(host) {
		host = "localhost"
	}
	u := url.URL{Scheme: "mqtt", Host: net.JoinHostPort(host, port)}
	if secure {
		u.Scheme = "mqtts"
	}
	return URL{&u}
}

// needsAddresses reports what has no effect without an address.
func (l *loader) needsAddresses() {
	if l.given("listen.addresses") {
		l.faultf("listen.addresses", "is empty; name at least one address, or remove listen and read the broker")
		return
	}
	for _, at := range []string{"listen.users", "listen.acl"} {
		if l.given(at) && !l.broken(at) {
			l.faultf(at, "has no effect without listen.addresses; give it or remove the key")
		}
	}
}

// checkReach keeps what is not encrypted on this machine.
func (l *loader) checkReach(path string, a *ListenAddress) {
	at := path + ".address"
	switch {
	case l.broken(at):
	case a.Address == "" && l.given(at):
		l.faultf(at, "off is not allowed; remove the address")
	case a.Address != "" && !a.TLS.Given() && !l.given(path+".tls") && !a.Insecure && !loopback(a.Address):
		l.faultf(at, "%s can be reached from other machines, which needs tls; give it, use 127.0.0.1, or say `insecure: true` where something before it has taken TLS off",
			quote(a.Address))
	}
}

func (l *loader) checkDoorTLS(path string, t ServerTLSFiles) {
	cert, key, ca := path+".cert", path+".key", path+".client_ca"
	if l.broken(cert) || l.broken(key) || l.broken(ca) || !t.Given() && !l.given(path) {
		return
	}
	l.need(cert, t.Cert == "", path+" needs cert and key")
	l.need(key, t.Key == "", path+" needs cert and key")
	if t.ClientCA != "" {
		if _, err := (TLSFiles{CA: t.ClientCA}).pool(); err != nil {
			l.faultf(ca, "%s: %v", quote(t.ClientCA), err)
		}
	}
	if t.Cert != "" && t.Key != "" {
		if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
			l.faultf(cert, "cannot be used with key %s: %v", quote(t.Key), err)
		}
	}
}

// checkThere reports a file that cannot be read. It may be large, so it is only
// opened.
func (l *loader) checkThere(path, file string) {
	if file == "" || l.broken(path) {
		return
	}
	if err := readable(file); err != nil {
		l.faultf(path, "%v", err)
	}
}

func readable(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // to open a pipe could block
		return fmt.Errorf("%s is not a regular file", quote(path))
	}
	if err != nil {
		return unreadable(path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	return file.Close()
}
