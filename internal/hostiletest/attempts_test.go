package hostiletest

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// attempts are what the attacker tries, with each version of MQTT.
var attempts = []struct {
	name string
	run  func(*attacker)
}{
	{"messages on the topics of others", (*attacker).publishAsOthers},
	{"names of others on its own topics", (*attacker).nameOthers},
	{"last wills of others", (*attacker).leaveWills},
	{"subscriptions", (*attacker).listen},
	{"identities", (*attacker).pretend},
	{"breaches of the protocol", (*attacker).breach},
	{"retained messages", (*attacker).retain},
}

// notIts are topics on which a device may not publish.
func notIts() []string {
	topics := []string{
		"data/sensor", "connect", "lwt", "pulse", "sluice/sync/" + facility, "sluice/sync/x", "$SYS/broker/uptime", "$device", "$notify/webhook",
		"$dead", "$presence", "$share/g/data/sensor/" + good, "$share/g/lwt", "x", "/", "data/sensor/x/" + evil, "data/sensor/" + evil + "/x",
		"/data/sensor/" + evil, "data/sensor/" + evil + "/", "data/" + evil, "lwt/" + evil + "/" + quiet, "connect/x/" + evil, "Data/sensor/" + evil,
	}
	for _, victim := range []string{good, quiet, router} {
		topics = append(topics, "data/sensor/"+victim, "data//"+victim, "connect/"+victim, "lwt/"+victim)
	}
	return topics
}

// inOthersNames are payloads that name a victim, or nobody.
func inOthersNames() [][]byte {
	return [][]byte{
		reading(good, 1_000_000), reading(quiet, 1_000_000), connectMessage(quiet), willMessage(good), willMessage(quiet), []byte(forged),
	}
}

func (a *attacker) publishAsOthers() {
	topics, payloads := notIts(), inOthersNames()
	a.tries(len(topics), func(c *client, i int) {
		for _, payload := range payloads {
			_ = c.send(publication{topic: topics[i], payload: payload}.packet(a.version)) // QoS 0; the next one shows an end
			code, err := c.publish(topics[i], payload)
			a.isDenied(topics[i], code, err)
		}
	})
}

func (a *attacker) nameOthers() {
	c := a.enter()
	a.own(c)
	for _, victim := range []string{good, quiet, late, "lwt", "", "a/b", evil + "\x00", strings.Repeat("x", 65)} {
		for topic, payload := range map[string][]byte{
			"data/sensor/": reading(victim, 2_000_000), "connect/": connectMessage(victim), "lwt/": willMessage(victim),
		} {
			code, err := c.publish(topic+evil, payload)
			a.succeeds(fmt.Sprintf("%s%s naming %q", topic, evil, victim), code, err)
			a.tally.dead++
		}
	}
	a.own(c)
	c.leave()
}

// wills are what it leaves behind. One on its own topic is a dead letter: it names another.
func wills() []will {
	var all []will
	for _, topic := range notIts() {
		all = append(all, will{topic: topic, payload: willMessage(quiet), qos: 1})
	}
	for _, topic := range []string{"lwt/" + good, "lwt/" + quiet, "lwt/" + evil, "lwt", "pulse"} {
		for _, retain := range []bool{false, true} {
			for qos := range byte(3) {
				all = append(all, will{topic: topic, payload: willMessage(quiet), qos: qos, retain: retain})
			}
		}
	}
	return append(all, will{topic: "data/sensor/" + good, payload: reading(good, 3_000_000), qos: 1},
		will{topic: "connect/" + quiet, payload: connectMessage(quiet), qos: 1}, will{topic: "pulse", payload: []byte(forged)})
}

func (a *attacker) leaveWills() {
	for _, w := range wills() {
		h := a.as(evil, a.version)
		h.will = &w
		c, err := a.dial(evil)
		must(a, err)
		code, err := c.greet(h)
		if err == nil && code == 0 {
			if w.retain || w.qos == 2 {
				a.Errorf("%v: a will of QoS %d on %s, retain %t, is taken", a, w.qos, w.topic, w.retain)
			}
		}
		c.reset()
		if err == nil && code == 0 && w.topic == "lwt/"+evil {
			a.tally.dead++
			a.deadAre(a.tally.dead) // or the next connect could come before it
		}
	}
}

// filters are what it wants to hear.
var filters = []string{
	"#", "+", "+/+", "+/+/+", "data/#", "data/sensor/+", "data/sensor/" + good, "connect/#", "lwt/#", "sluice/#", "sluice/sync/" + facility,
	"$SYS/#", "$SYS/broker/uptime", "$share/g/#", "$share/g/data/sensor/+", "$share/router/data/#", "$queue/#", "pulse",
}

// rowsMeanwhile are how many readings of the honest device come while it listens.
const rowsMeanwhile = 8

func (a *attacker) listen() {
	if a.version == v311 {
		a.listenToAll()
		return
	}
	a.tries(len(filters), func(c *client, i int) {
		a.hearsNothing("before " + filters[i])
		code, err := c.subscribe(filters[i])
		a.goesOn(rowsMeanwhile)
		pulses := a.hearsNothing(filters[i])
		// What may be heard is: else the rest would prove nothing.
		if filters[i] == "#" || filters[i] == "+" || filters[i] == "pulse" {
			if err != nil || code >= 0x80 || pulses == 0 {
				a.Errorf("%v: %s: answered %#x, %v, heard %d pulses, want some", a, filters[i], code, err, pulses)
			}
		}
		c.leave()
	})
}

// listenToAll has all subscriptions at once.
func (a *attacker) listenToAll() {
	c := a.enter()
	for _, filter := range filters {
		if _, err := c.subscribe(filter); err != nil {
			a.Errorf("%v: %s: %v", a, filter, err)
		}
	}
	a.hearsNothing("subscribing")
	a.goesOn(5 * rowsMeanwhile)
	if a.hearsNothing("all filters") == 0 {
		a.Errorf("%v: heard no pulse", a)
	}
	c.leave()
}

// identity is a CONNECT in somebody's name.
type identity struct {
	name  string
	as    string // whose certificate
	hello hello
	never bool // it must be refused
}

func (a *attacker) identities() (all []identity) {
	own := a.passwords[evil]
	for _, dirty := range []bool{false, true} {
		for _, id := range []string{router, clock, good, quiet, "", strings.Repeat("x", 65535), "#", "a/b"} {
			all = append(all, identity{fmt.Sprintf("client id %.10q", id), evil, hello{user: evil, password: own, id: id, dirty: dirty}, false})
		}
		for _, user := range []string{router, clock, good, quiet, auditor, "", "nobody", evil + "/" + good, "+", "#", "%u"} {
			all = append(all, identity{fmt.Sprintf("user %q", user), evil, hello{user: user, password: own, id: user, dirty: dirty}, true})
		}
	}
	return append(all,
		identity{"wrong password", evil, hello{user: evil, password: own + "x", id: evil}, true},
		identity{"no password", evil, hello{user: evil, id: evil}, true},
		identity{"hash as password", evil, hello{user: good, password: "$7$101$", id: good}, true},
		identity{"nobody's name", evil, hello{anonymous: true, id: good}, true},
		identity{"no certificate", nobody, hello{user: evil, password: own, id: evil}, true},
		identity{"certificate of another authority", stranger, hello{user: evil, password: own, id: evil}, true},
		identity{"TLS 1.1", old, hello{user: evil, password: own, id: evil}, true},
	)
}

func (a *attacker) pretend() {
	for _, who := range a.identities() {
		who.hello.version = a.version
		c, err := a.dial(who.as)
		if err != nil {
			if !who.never {
				a.Errorf("%v: %s: %v", a, who.name, err)
			}
			continue
		}
		c.heard = a.hear
		code, err := c.greet(who.hello)
		if err == nil && code == 0 {
			a.enters(c, who)
		}
		c.reset()
	}
}

// enters looks what a CONNECT that was taken is good for.
func (a *attacker) enters(c *client, who identity) {
	a.Helper()
	if who.never {
		a.Errorf("%v: %s is let in", a, who.name)
	}
	code, err := c.publish("lwt/"+quiet, willMessage(quiet))
	a.isDenied(who.name+": lwt/"+quiet, code, err)
	if who.hello.dirty { // a session of another would bring its messages
		a.goesOn(rowsMeanwhile)
	}
	a.hearsNothing(who.name)
	a.undisturbed(who.name)
}

// breachOf is what no client may send.
type breachOf struct {
	name  string
	bytes []byte
	ends  bool // the connection must end
}

func (a *attacker) breaches() []breachOf {
	own := "data/x/" + evil // its own, without a route
	pub := func(p publication) []byte { p.id = 1; return p.packet(a.version) }
	sub := func(filter string) []byte { return subscribe(a.version, 1, filter) }
	declared := binary.AppendUvarint([]byte{0x32}, 1<<20)
	all := []breachOf{
		{"QoS 2", pub(publication{topic: own, qos: 2}), true},
		{"QoS 3", pub(publication{topic: own, qos: 3}), true},
		{"1 MiB", pub(publication{topic: own, qos: 1, payload: make([]byte, 1<<20)}), true},
		{"1 MiB declared", declared, true},
		{"256 MB declared", []byte{0x32, 0xff, 0xff, 0xff, 0x7f}, true},
		{"length without an end", []byte{0x32, 0xff, 0xff, 0xff, 0xff, 0xff}, true},
		{"topic with #", pub(publication{topic: "data/#", qos: 1, payload: reading(good, 4_000_000)}), true},
		{"topic with +", pub(publication{topic: "data/+/" + evil, qos: 1}), true},
		{"topic with a null", pub(publication{topic: "data/sensor/" + good + "\x00/" + evil, qos: 1}), true},
		{"topic that is no UTF-8", pub(publication{topic: "data/\xff/" + evil, qos: 1}), true},
		{"topic beyond its packet", packet(0x32, []byte{0xff, 0xff, 'a', 0, 1}), true},
		{"empty topic", pub(publication{qos: 1, payload: reading(good, 4_000_000)}), true},
		{"packet id 0", publication{topic: own, qos: 1, payload: reading(evil, 0)}.packet(a.version), true},
		{"second CONNECT", hello{version: a.version, id: router, user: router, password: "x"}.packet(), true},
		{"filter with # inside", sub("#/x"), false},
		{"filter with + inside", sub("data+/x"), false},
		{"empty filter", sub(""), false},
		{"share without a name", sub("$share//#"), false},
		{"share without a filter", sub("$share/g"), false},
		{"filter with a null", sub("#\x00"), false},
		{"PUBACK of nothing", []byte{0x40, 2, 0, 9}, false},
		{"PUBREL of nothing", []byte{0x62, 2, 0, 9}, false},
		{"a packet of the server", []byte{0x20, 2, 0, 0}, true},
		{"type 0", []byte{0, 0}, true},
	}
	if a.version == v5 {
		all = append(all,
			breachOf{"alias 0", pub(publication{topic: own, qos: 1, props: []byte{0x23, 0, 0}}), true},
			breachOf{"high alias", pub(publication{topic: own, qos: 1, props: []byte{0x23, 0xff, 0xff}}), true},
			breachOf{"alias of another's topic", append(pub(publication{topic: "lwt/" + quiet, qos: 1, payload: willMessage(quiet), props: []byte{0x23, 0, 1}}),
				pub(publication{qos: 1, payload: willMessage(quiet), props: []byte{0x23, 0, 1}})...), false},
			breachOf{"alias of nothing", pub(publication{qos: 1, payload: willMessage(quiet), props: []byte{0x23, 0, 2}}), true},
			breachOf{"subscription identifier", pub(publication{topic: own, qos: 1, props: []byte{0x0b, 1}}), a.door}, // Mosquitto overlooks it
			breachOf{"AUTH", packet(0xF0, nil), true},
		)
	}
	return all
}

func (a *attacker) breach() {
	for _, b := range a.breaches() {
		c := a.enter()
		if err := c.send(b.bytes); err == nil && !b.ends {
			_ = c.ping() // it may be cut off
		}
		if b.ends && !c.cutOff() {
			a.Errorf("%v: %s: the connection goes on", a, b.name)
		}
		c.reset()
		a.hearsNothing(b.name)
	}
}

// retain publishes retained messages on topics of its own, each another one: the server
// takes none.
func (a *attacker) retain() {
	c := a.enter()
	for k := range sizes().retained {
		p := publication{topic: fmt.Sprintf("data/kind-%d/%s", k, evil), payload: make([]byte, 500), retain: true}
		if c.send(p.packet(a.version)) != nil {
			break
		}
	}
	alive := c.ping() == nil
	if alive && (a.version == v5 || !a.door) {
		a.Errorf("%v: the connection goes on after retained messages", a)
	}
	c.reset()
	a.nothingRetained()
}

// nothingRetained wants that whoever subscribes now gets nothing that was said before.
func (a *attacker) nothingRetained() {
	a.Helper()
	pulse := make(chan struct{}, 1)
	c := a.login(a.as(late, v5), func(d delivery) {
		if d.retain {
			a.hear(d)
		}
		select {
		case pulse <- struct{}{}:
		default:
		}
	})
	_, err := c.subscribe("#")
	must(a, err)
	<-pulse
	c.leave()
	a.hearsNothing("retained")
}
