package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check looks at what single values cannot tell: what is missing, and rules
// between fields.
func (l *loader) check() {
	top := reflect.ValueOf(l.cfg).Elem()
	l.checkRequired(top, "")
	l.checkBroker()
	l.checkDoor()
	l.checkRedis()
	l.checkPostgres()
	l.checkRoutes()
	l.checkPresence()
	l.checkNotify()
	l.checkAPI()
	l.checkClock()
	l.checkDevice()
	l.checkAdmin()
	l.checkPorts()
}

// skip tells that there is nothing to check at path: it is not read, or a fault
// is known already.
func (l *loader) skip(path string) bool { return !l.reads(path) || l.broken(path) }

func (l *loader) checkRequired(v reflect.Value, prefix string) {
	walk(v, prefix, func(path string, f field, v reflect.Value) {
		if !f.has("required") || f.fromFile || l.given(path) || !v.IsZero() || l.skip(path) || l.waived(path) {
			return
		}
		env := " or " + envName(path)
		if strings.Contains(path, "[") {
			env = ""
		}
		l.faultf(path, "missing; set it here%s, for example %s", env, f.tag.Get("eg"))
	})
}

func (l *loader) checkBroker() {
	b := &l.cfg.Broker
	l.takeUser("broker", &b.URL, &b.User, &b.Password)
	if l.usable("broker.url", b.URL) {
		l.checkHost("broker.url", b.URL)
		if u := b.URL.u; strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			l.faultf("broker.url", "has a path or parameters; only scheme, user, password, host and port belong here")
		}
		l.checkSecure("broker", b.TLSFiles, b.URL.Scheme() == "mqtts", "an mqtts:// URL")
	}
	l.checkTLS("broker", b.TLSFiles)
}

// minQueueBytes is the least limit of the queue: groups of 1 MiB must fit.
const minQueueBytes = 4 << 20

func (l *loader) checkRedis() {
	r := &l.cfg.Queue.Redis
	if n := r.MaxBytes; n > 0 && n < minQueueBytes && !l.skip("queue.redis.max_bytes") {
		l.faultf("queue.redis.max_bytes", "%d is too small for what is stored at once; use 4MiB or more, or 0 for 80 %% of the server's maxmemory", n)
	}
	l.takeUser("queue.redis", &r.URL, &r.User, &r.Password)
	if l.usable("queue.redis.url", r.URL) {
		l.checkHost("queue.redis.url", r.URL)
		db := strings.Trim(r.URL.u.Path, "/")
		if _, err := strconv.ParseUint(db, 10, 16); db != "" && err != nil || r.URL.u.RawQuery != "" {
			l.faultf("queue.redis.url", "only the number of a database may follow the host, like redis://redis:6379/1")
		}
		l.checkSecure("queue.redis", r.TLSFiles, r.URL.Scheme() == "rediss", "a rediss:// URL")
	}
	l.checkTLS("queue.redis", r.TLSFiles)
}

func (l *loader) checkPostgres() {
	p := &l.cfg.Store.Postgres
	if l.usable("store.postgres.url", p.URL) {
		q := p.URL.u.Query()
		if !q.Has("host") {
			l.checkHost("store.postgres.url", p.URL)
		}
		if _, ok := p.URL.u.User.Password(); ok && l.conflict("store.postgres.url", "store.postgres.password") {
			l.faultf("store.postgres.password", "the URL has a password too; keep one")
		}
		l.checkSecure("store.postgres", p.TLSFiles, q.Get("sslmode") != "disable", "another sslmode in the URL")
	}
	l.checkTLS("store.postgres", p.TLSFiles)
}

// usable tells whether there is a URL without a known fault.
func (l *loader) usable(path string, u URL) bool { return !u.IsZero() && !l.skip(path) }

func (l *loader) checkHost(path string, u URL) {
	port := u.u.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		l.faultf(path, "port %s is not allowed; use 1 to 65535", quote(port))
	}
	if u.Host() == "" {
		l.faultf(path, "names no host; write %s://host", u.Scheme())
	}
}

// takeUser moves user and password of the URL into their fields.
func (l *loader) takeUser(path string, u *URL, user *string, password *Secret) {
	rest, name, secret := u.takeUser()
	*u = rest
	if name != "" && !l.given(path+".user") {
		*user = name
	} else if name != "" && l.conflict(path+".url", path+".user") {
		l.faultf(path+".user", "the URL names a user too; keep one")
	}
	if !secret.IsZero() && !l.given(path+".password") {
		*password = secret
	} else if !secret.IsZero() && l.conflict(path+".url", path+".password") {
		l.faultf(path+".password", "the URL has a password too; keep one")
	}
}

// conflict tells whether the value at path and the URL that holds the same were
// given by the same hand; else the variable silently wins over the file.
func (l *loader) conflict(url, path string) bool {
	return l.given(path) && !l.broken(path) && (!l.origins[path].env || l.origins[url].env)
}

// checkSecure reports TLS files that a URL without TLS would ignore.
func (l *loader) checkSecure(path string, t TLSFiles, secure bool, want string) {
	for key, file := range t.byKey() {
		if at := join(path, key); file != "" && !secure && !l.broken(at) {
			l.faultf(at, "has no effect; it needs %s", want)
		}
	}
}

// checkTLS reports files that hold no certificate or do not fit each other.
func (l *loader) checkTLS(path string, t TLSFiles) {
	ca, cert, key := join(path, "ca"), join(path, "cert"), join(path, "key")
	if t.CA != "" && !l.skip(ca) {
		if _, err := t.pool(); err != nil {
			l.faultf(ca, "%s: %v", quote(t.CA), err)
		}
	}
	switch {
	case l.skip(cert), l.skip(key):
	case t.Cert != "" && t.Key == "":
		l.faultf(cert, "needs key too")
	case t.Key != "" && t.Cert == "":
		l.faultf(key, "needs cert too")
	case t.Cert != "":
		if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
			l.faultf(cert, "cannot be used with key %s: %v", quote(t.Key), err)
		}
	}
}

func (l *loader) checkPresence() {
	l.checkOrder("presence.min_delay", l.cfg.Presence.MinDelay, "presence.max_delay", l.cfg.Presence.MaxDelay)
}

func (l *loader) checkClock() {
	l.checkOrder("clock.jitter", l.cfg.Clock.Jitter, "clock.interval", l.cfg.Clock.Interval)
}

// checkDevice looks for the folder of passwords only: which files must be in it is known
// when the fleet starts.
func (l *loader) checkDevice() {
	folder := l.cfg.Device.Passwords
	if folder == "" || l.skip("device.passwords") {
		return
	}
	switch info, err := os.Stat(folder); {
	case err != nil:
		l.faultf("device.passwords", "%v", unreadable(folder, err))
	case !info.IsDir():
		l.faultf("device.passwords", "%s is not a folder; it holds a file per device", quote(folder))
	}
}

// checkOrder reports a duration that is longer than one that bounds it.
func (l *loader) checkOrder(path string, d time.Duration, bound string, most time.Duration) {
	if d > most && !l.skip(path) && !l.skip(bound) {
		l.faultf(path, "%s is more than %s %s; use that or less", formatDuration(d), bound, formatDuration(most))
	}
}

// maxSocketPath is the length of sun_path [unix(7)] without its NUL.
const maxSocketPath = 107

func (l *loader) checkAdmin() {
	if n := len(l.cfg.Admin); n > maxSocketPath && !l.skip("admin") {
		l.faultf("admin", "the path has %d bytes; the path of a socket has at most %d", n, maxSocketPath)
	}
}

// checkPorts reports addresses to listen on that would be in each other's way.
func (l *loader) checkPorts() {
	type listener struct{ path, host, port string }
	var all []listener
	look := func(path string, f field, v reflect.Value) {
		if !f.has("address") || l.skip(path) {
			return
		}
		host, port, err := net.SplitHostPort(v.String())
		if err != nil || port == "0" { // "" is off, 0 any free port
			return
		}
		i := slices.IndexFunc(all, func(o listener) bool {
			return o.port == port && (o.host == host || anyHost(o.host) || anyHost(host))
		})
		if i >= 0 {
			l.faultf(path, "port %s is also that of %s; give each its own", port, all[i].path)
		}
		all = append(all, listener{path, host, port})
	}
	for i := range l.cfg.Listen.Addresses {
		walk(reflect.ValueOf(&l.cfg.Listen.Addresses[i]).Elem(), fmt.Sprintf("listen.addresses[%d]", i), look)
	}
	walk(reflect.ValueOf(&l.cfg.API).Elem(), "api", look)
	walk(reflect.ValueOf(&l.cfg.Metrics).Elem(), "metrics", look)
}

func anyHost(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
