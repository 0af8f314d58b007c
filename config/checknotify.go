package config

import (
	"fmt"
	"net/url"
	"reflect"
)

// Kinds of receivers.
const (
	kindGroupMe = "groupme"
	kindWebhook = "webhook"
	kindLog     = "log"
)

func defaultNotify() []Notify {
	n := Notify{}
	setDefaults(reflect.ValueOf(&n).Elem())
	n.Kind, n.Name = kindLog, kindLog
	return []Notify{n}
}

// groupMeURL is where GroupMe's API is.
func groupMeURL() URL { return URL{&url.URL{Scheme: "https", Host: "api.groupme.com"}} }

func (l *loader) checkNotify() {
	if l.skip("notify") {
		return
	}
	seen := map[string]string{} // name -> path
	for i := range l.cfg.Notify {
		path := fmt.Sprintf("notify[%d]", i)
		if l.broken(path) {
			continue
		}
		n := &l.cfg.Notify[i]
		l.checkRequired(reflect.ValueOf(n).Elem(), path)
		if l.broken(path + ".kind") { // which keys belong to it is not known
			l.checkUnique(n.Name, path, "receiver", seen)
			continue
		}
		if !l.given(path + ".name") {
			n.Name = n.Kind
		}
		l.checkUnique(n.Name, path, "receiver", seen)
		l.checkKind(n, path)
	}
}

// checkKind looks at the keys that not every kind has.
func (l *loader) checkKind(n *Notify, path string) {
	botID, address := path+".bot_id", path+".url"
	switch n.Kind {
	case kindGroupMe:
		l.need(botID, n.BotID.IsZero(), "groupme needs it, here or as bot_id_file")
		l.checkBase(n, address)
	case kindWebhook:
		l.refuse(botID, kindGroupMe)
		l.need(address, n.URL.IsZero(), "a webhook needs it, here or as url_file")
	case kindLog:
		l.refuse(botID, kindGroupMe)
		l.refuse(address, kindWebhook+" or "+kindGroupMe)
	}
	if at := l.written(address); l.usable(at, n.URL) {
		l.checkHost(at, n.URL)
	}
}

// checkBase fills in or checks the URL before the paths of GroupMe's API.
func (l *loader) checkBase(n *Notify, path string) {
	switch at := l.written(path); {
	case n.URL.IsZero():
		n.URL = groupMeURL()
	case n.URL.u.RawQuery != "" && !l.broken(at):
		l.faultf(at, "has parameters; only what stands before /v3 belongs here, like %s", groupMeURL())
	}
}

// need reports that a kind lacks a secret.
func (l *loader) need(path string, none bool, why string) {
	if at := l.written(path); none && !l.broken(at) {
		l.faultf(at, "missing; %s", why)
	}
}

// refuse reports a secret that only receivers of other kinds have.
func (l *loader) refuse(path, kinds string) {
	if at := l.written(path); l.given(at) && !l.broken(at) {
		l.faultf(at, "has no effect; it needs kind %s", kinds)
	}
}

// written returns the path at which a secret was given: its own or that of the
// key <key>_file.
func (l *loader) written(path string) string {
	if l.given(path + "_file") {
		return path + "_file"
	}
	return path
}
