package device

import (
	"cmp"
	"slices"
	"time"

	"sluice"
)

// DefaultGuard is the guard of an Observer.
const DefaultGuard = 250 * time.Millisecond

// Observer is a perfect router: it hears of everything, at most Guard late.
type Observer struct {
	// Delay is that of the devices' wills. Default DefaultDelay.
	Delay time.Duration
	// Guard is the time before and after a deadline within which it cannot be
	// decided whether a device was back in time. Default DefaultGuard.
	Guard time.Duration
	// Silent is the silent_after of the route that readings take: a device that
	// sends none for so long is down. Default 0: silence is no outage.
	Silent time.Duration
	// Every is the longest time between two readings of a device that is not mute.
	Every time.Duration
	// Restarts are the times from a stop of the broker to the end of the grace that
	// devices have to come back. Whatever overlaps one is not certain.
	Restarts []Period
	// Until is when the observer stopped looking. Default: never.
	Until time.Time
}

// Period is a time with both its ends.
type Period struct{ From, To time.Time }

// Outage is what an Observer reports exactly once if Certain, else once or not at
// all.
type Outage struct {
	Device string
	// Cause is CauseWill or CauseSilent. After a restart of the broker a router may
	// report CauseGrace instead.
	Cause sluice.Cause
	// Dropped is when the connection ended, or the device fell mute.
	Dropped time.Time
	// Deadline is when the device counts as down: Dropped and the delay of the will.
	// For CauseSilent it is the latest such time. A doubtful outage may also begin at
	// another.
	Deadline time.Time
	// Back is when it was announced again, or mute no more. Zero: not in the log.
	Back time.Time
	// Certain outages must be reported; with others it is a matter of milliseconds,
	// or the log does not tell. What is not listed must not be reported.
	Certain bool
	// Reason is why the outage is not certain.
	Reason string
}

// Reasons of doubt.
const (
	reasonLost        = "the connection was lost, perhaps without a will"
	reasonUnanswered  = "CONNECT was not answered, perhaps heard"
	reasonUnannounced = "`connect` was not acknowledged, perhaps heard"
	reasonBack        = "back near the deadline"
	reasonMute        = "away and mute at the same time"
	reasonMuteAgain   = "mute again, perhaps before its first reading"
	reasonRestart     = "the broker restarted"
	reasonUntil       = "the deadline was near the end"
)

// Outages returns what the observer reports of events, by device and time. A
// device that was back more than the guard before its deadline has no outage. A
// lost connection is taken to have ended when the device noticed, as it is when
// a broker restarts; a network that swallows packets needs a longer guard.
func Outages(events []TruthEvent, o Observer) []Outage {
	o.Delay, o.Guard = cmp.Or(o.Delay, DefaultDelay), cmp.Or(o.Guard, DefaultGuard)
	inOrder := func(a, b TruthEvent) int { return a.Time.Compare(b.Time) }
	watches := map[string]*watch{}
	for _, e := range slices.SortedStableFunc(slices.Values(events), inOrder) {
		if watches[e.Device] == nil {
			watches[e.Device] = &watch{observer: &o, device: e.Device}
		}
		watches[e.Device].see(e)
	}
	var all []Outage
	for _, w := range watches {
		w.end()
		all = append(all, w.outages...)
	}
	slices.SortFunc(all, func(a, b Outage) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), a.Dropped.Compare(b.Dropped), cmp.Compare(a.Cause, b.Cause))
	})
	return all
}

// watch follows one device.
type watch struct {
	observer *Observer
	device   string

	// attempt is when the CONNECT was sent that has no answer yet, connected when
	// the CONNACK of the connection came that is open; else zero.
	attempt, connected time.Time
	// known: it was announced at least once.
	known bool
	// legs are the times without a connection since the device was last announced.
	// There is a second one only when the device connected in between and it is
	// not known whether that was heard.
	legs []leg
	// hush is the last time that it was mute; nil: never, or silence is no outage.
	hush *leg

	outages []Outage
}

// leg is a time that can make one outage.
type leg struct {
	from time.Time
	// back is the earliest time at which the observer may have heard that it is
	// over; zero: it was not over.
	back time.Time
	// unheard: it is not known by when.
	unheard bool
	doubt   string
}

func (w *watch) see(e TruthEvent) {
	switch e.What {
	case Connecting:
		w.abandon()
		w.attempt = e.Time
	case Connected:
		w.connect(e.Time)
	case Announced:
		w.announce(e.Time)
	case Dropped:
		w.disconnect(e.Time, "")
	case Lost:
		w.disconnect(e.Time, reasonLost)
	case Muted:
		w.fallMute(e.Time)
	case Unmuted:
		if w.hush != nil {
			w.hush.back = e.Time
		}
	case Stopped:
		w.connected = time.Time{}
		if w.hush == nil || !w.hush.back.IsZero() {
			w.fallMute(e.Time)
		}
	}
}

// end judges what is not over at the end of the log.
func (w *watch) end() {
	w.abandon()
	w.judgeLegs(time.Time{})
	w.judgeHush()
}

// abandon ends an attempt without an answer. Its will can only do something to a
// device that is not missed already.
func (w *watch) abandon() {
	if !w.attempt.IsZero() && len(w.legs) == 0 {
		w.legs = []leg{{from: w.attempt, doubt: reasonUnanswered}}
	}
	w.attempt = time.Time{}
}

func (w *watch) connect(at time.Time) {
	w.attempt, w.connected = time.Time{}, at
	if n := len(w.legs); n > 0 {
		w.legs[n-1].back = at
	}
	if w.hush != nil && w.hush.back.IsZero() { // `connect` begins its silence anew
		w.hush.back = at
		w.judgeHush()
		w.hush = &leg{from: at, doubt: reasonMute}
	}
}

func (w *watch) announce(at time.Time) {
	if w.connected.IsZero() { // a log that leaves that out
		w.connect(at)
	}
	w.known = true
	w.judgeLegs(at)
}

func (w *watch) disconnect(at time.Time, doubt string) {
	if w.connected.IsZero() {
		w.abandon()
		return
	}
	if len(w.legs) > 0 {
		doubt = cmp.Or(doubt, reasonUnannounced)
	}
	w.connected = time.Time{}
	if w.mayBeHushed(at) {
		doubt, w.hush.doubt = cmp.Or(doubt, reasonMute), reasonMute
	}
	w.legs = append(w.legs, leg{from: at, doubt: doubt})
}

// mayBeHushed: it is the first reading after it was mute that ends a silence.
func (w *watch) mayBeHushed(at time.Time) bool {
	if w.hush == nil {
		return false
	}
	return w.hush.back.IsZero() || !at.After(w.hush.back.Add(w.observer.Every+w.observer.Guard))
}

func (w *watch) fallMute(at time.Time) {
	if w.observer.Silent <= 0 {
		return
	}
	next := &leg{from: at}
	if len(w.legs) > 0 || !w.known {
		next.doubt = reasonUnannounced
	}
	if w.mayBeHushed(at) {
		next.doubt, w.hush.doubt = reasonMuteAgain, cmp.Or(w.hush.doubt, reasonMuteAgain)
		w.hush.unheard = true
	}
	w.judgeHush()
	w.hush = next
}

// judgeLegs is called when the device is announced, or never will be.
func (w *watch) judgeLegs(announced time.Time) {
	o := w.observer
	for _, l := range w.legs {
		deadline := l.from.Add(o.Delay)
		earliest := deadline
		if l.doubt == reasonLost && o.Silent > 0 { // without a will it is its silence that counts
			earliest = l.from.Add(min(o.Delay, o.Silent-o.Every))
		}
		w.judge(l, earliest, announced, Outage{Cause: sluice.CauseWill, Deadline: deadline, Back: announced})
	}
	w.legs = nil
}

// judgeHush: the last reading was sent up to Every before the device fell mute,
// and the router may have it in its books as a quarter of Silent older than it is
// [sluice.SilentDeadline].
func (w *watch) judgeHush() {
	if w.hush == nil {
		return
	}
	l, o := *w.hush, w.observer
	var heardBy time.Time
	if !l.back.IsZero() && !l.unheard {
		heardBy = l.back.Add(o.Every)
	}
	w.judge(l, l.from.Add(o.Silent-o.Every), heardBy,
		Outage{Cause: sluice.CauseSilent, Deadline: l.from.Add(o.Silent + o.Silent/4), Back: l.back})
	w.hush = nil
}

// judge adds the outage of a leg unless the device was heard of, or the observer
// left, before the earliest time at which it can count as down.
func (w *watch) judge(l leg, earliest, heardBy time.Time, out Outage) {
	o := w.observer
	earliest = earliest.Add(-o.Guard)
	if !heardBy.IsZero() && heardBy.Before(earliest) || !o.Until.IsZero() && o.Until.Before(earliest) {
		return
	}
	out.Device, out.Dropped = w.device, l.from
	out.Reason = cmp.Or(l.doubt, o.doubt(l, out.Deadline.Add(o.Guard)))
	out.Certain = out.Reason == ""
	w.outages = append(w.outages, out)
}

// doubt returns why a leg may have made no outage by the latest time at which it
// should; "" for none.
func (o *Observer) doubt(l leg, latest time.Time) string {
	overlaps := func(p Period) bool { return !p.From.After(latest) && !p.To.Before(l.from) }
	switch {
	case !l.back.IsZero() && !l.back.After(latest):
		return reasonBack
	case slices.ContainsFunc(o.Restarts, overlaps):
		return reasonRestart
	case !o.Until.IsZero() && !o.Until.After(latest):
		return reasonUntil
	}
	return ""
}
