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
	l.checkListen("api.grpc", l.cfg.API.GRPC, secure)
	l.checkListen("api.http", l.cfg.API.HTTP, secure)
	if secure {
		l.checkServerTLS("api.tls", l.cfg.API.TLS)
	}
	l.checkClients(secure)
	l.checkUsers(secure)
}

// checkListen keeps what is not encrypted, and read by everybody, on this machine.
func (l *loader) checkListen(path, address string, secure bool) {
	switch {
	case l.skip(path):
	case address == "" && path == "api.http":
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
	l.checkUnique(c.Name, path, "client", seen)
	l.checkFacilities(c.Facilities, path, "client")
}

func (l *loader) checkUsers(secure bool) {
	const key = "api.http_users"
	users := l.cfg.API.HTTPUsers
	if len(users) > 0 && !secure && !l.broken(key) && !l.broken("api.tls") {
		l.faultf(key, "has no effect without api.tls, where everybody may read everything; give api.tls or remove the key")
	}
	seen := map[string]string{} // name -> path
	for i := range users {
		path := fmt.Sprintf("%s[%d]", key, i)
		if l.broken(path) {
			continue
		}
		l.checkRequired(reflect.ValueOf(&users[i]).Elem(), path)
		l.checkUnique(users[i].Name, path, "user", seen)
		l.checkFacilities(users[i].Facilities, path, "user")
		at := l.written(path + ".password")
		l.need(at, users[i].Password.IsZero(), "every user needs one, here or as password_file")
		if n := len(users[i].Password.Reveal()); n > 0 && n < minPassword && !l.broken(at) {
			l.faultf(at, "has %d bytes; use %d or more", n, minPassword)
		}
	}
}

// minPassword is the least length of a user's password, in bytes.
const minPassword = 8

// checkUnique reports a name that another of the same kind has, too.
func (l *loader) checkUnique(name, path, kind string, seen map[string]string) {
	at := path + ".name"
	if name == "" || l.broken(at) {
		return
	}
	if other, ok := seen[name]; ok {
		l.faultf(at, "%s is also the name of %s; give each %s its own", quote(name), other, kind)
		return
	}
	seen[name] = path
}

// checkFacilities looks at what a client or a user may read.
func (l *loader) checkFacilities(names []string, path, kind string) {
	at := path + ".facilities"
	if l.given(at) && len(names) == 0 && !l.broken(at) {
		l.faultf(at, "is empty; name at least one, or remove the %s", kind)
	}
	for _, name := range names {
		if !sluice.ValidName(name) && !l.broken(at) {
			l.faultf(at, "%s is not a name; %s", quote(name), nameRule)
			return
		}
	}
}
