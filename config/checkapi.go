package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"reflect"

	"sluice"
)

func (l *loader) checkAPI() {
	if l.skip("api") {
		return
	}
	secure := l.cfg.API.TLS.Given() || l.given("api.tls.cert") || l.given("api.tls.key") || l.given("api.tls.client_ca")
	l.checkGRPC(secure)
	if secure {
		l.checkServerTLS("api.tls", l.cfg.API.TLS)
	}
	l.checkClients(secure)
}

// checkGRPC keeps what is not encrypted, and read by everybody, on this machine.
func (l *loader) checkGRPC(secure bool) {
	const path = "api.grpc"
	switch address := l.cfg.API.GRPC; {
	case l.skip(path):
	case address == "":
		l.faultf(path, "off is not allowed; without an api, do not start it")
	case !secure && !l.broken("api.tls") && !loopback(address):
		l.faultf(path, "%s can be reached from other machines, which needs api.tls; give it, or use 127.0.0.1", quote(address))
	}
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (l *loader) checkServerTLS(path string, t ServerTLSFiles) {
	cert, key, ca := path+".cert", path+".key", path+".client_ca"
	if l.broken(cert) || l.broken(key) || l.broken(ca) {
		return
	}
	for at, file := range map[string]string{cert: t.Cert, key: t.Key, ca: t.ClientCA} {
		if file == "" {
			l.faultf(at, "missing; %s needs cert, key and client_ca", path)
		}
	}
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

func (l *loader) checkClients(secure bool) {
	clients := l.cfg.API.Clients
	if len(clients) > 0 && !secure && !l.broken("api.clients") && !l.broken("api.tls") {
		l.faultf("api.clients", "has no effect without api.tls, where everybody may read everything; give api.tls or remove the key")
	}
	seen := map[string]string{} // name -> path
	for i := range clients {
		path := fmt.Sprintf("api.clients[%d]", i)
		if l.broken(path) {
			continue
		}
		l.checkRequired(reflect.ValueOf(&clients[i]).Elem(), path)
		l.checkClient(clients[i], path, seen)
	}
}

func (l *loader) checkClient(c Client, path string, seen map[string]string) {
	if at := path + ".name"; c.Name != "" && !l.broken(at) {
		if other, ok := seen[c.Name]; ok {
			l.faultf(at, "%s is also the name of %s; give each client its own", quote(c.Name), other)
		}
		seen[c.Name] = path
	}
	at := path + ".facilities"
	if l.given(at) && len(c.Facilities) == 0 && !l.broken(at) {
		l.faultf(at, "is empty; name at least one, or remove the client")
	}
	for _, name := range c.Facilities {
		if !sluice.ValidName(name) && !l.broken(at) {
			l.faultf(at, "%s is not a name; %s", quote(name), nameRule)
			return
		}
	}
}
