package hostiletest

import (
	"errors"
	"fmt"
	"sync"
)

// forged is a payload that nobody honest sends.
const forged = "forged"

// attacker is a device with a certificate and a password of its own, and no good in mind.
type attacker struct {
	*life

	version byte
	tally   *tally
}

// tally is what the attacker did in its own name, over both versions.
type tally struct {
	readings int // of its own, acknowledged; each is a row
	dead     int // acknowledged, and to be a dead letter

	mu    sync.Mutex // guards what follows
	heard []delivery
}

func (a *attacker) hear(d delivery) {
	a.tally.mu.Lock()
	defer a.tally.mu.Unlock()
	a.tally.heard = append(a.tally.heard, d)
}

// takeHeard returns what was delivered since it was called last.
func (a *attacker) takeHeard() []delivery {
	a.tally.mu.Lock()
	defer a.tally.mu.Unlock()
	heard := a.tally.heard
	a.tally.heard = nil
	return heard
}

// enter connects as itself.
func (a *attacker) enter() *client {
	a.Helper()
	return a.login(a.as(evil, a.version), a.hear)
}

// hearsNothing wants that nothing was delivered but pulses, and returns how many.
func (a *attacker) hearsNothing(what string) (pulses int) {
	a.Helper()
	for _, d := range a.takeHeard() {
		if d.topic != "pulse" {
			a.Errorf("MQTT %d: %s: heard %s: %q", a.version, what, d.topic, d.payload)
			continue
		}
		pulses++
	}
	return pulses
}

// tries calls do with a connection that is made anew when the one before has ended.
func (a *attacker) tries(n int, do func(c *client, i int)) {
	a.Helper()
	c := a.enter()
	for i := range n {
		if ended(c) {
			c.reset()
			c = a.enter()
		}
		do(c, i)
	}
	c.leave()
}

func ended(c *client) bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// isDenied wants a message of QoS 1 to be denied. A 3.1.1 client is not told, unless it is
// cut off.
func (a *attacker) isDenied(what string, code byte, err error) {
	a.Helper()
	switch {
	case errors.Is(err, errEnded):
	case err != nil:
		a.Errorf("MQTT %d: %s: %v", a.version, what, err)
	case a.version == v5 && code < 0x80:
		a.Errorf("MQTT %d: %s: answered %#x, want a refusal", a.version, what, code)
	}
}

// succeeds wants a message to be taken.
func (a *attacker) succeeds(what string, code byte, err error) {
	a.Helper()
	if err != nil || code >= 0x80 {
		a.Errorf("MQTT %d: %s: answered %#x, %v, want success", a.version, what, code, err)
	}
}

// own publishes the next reading of its own, which must become a row.
func (a *attacker) own(c *client) {
	a.Helper()
	code, err := c.publish("data/sensor/"+evil, reading(evil, a.tally.readings))
	a.succeeds("its own reading", code, err)
	a.tally.readings++
}

// String names the version.
func (a *attacker) String() string {
	return fmt.Sprintf("MQTT %d", a.version)
}
