package sluice

import (
	"slices"
	"time"
)

// DeviceState is what is known of a device. Unknown devices are not stored.
//
//	             connect, seen
//	unknown ------------------------> up <---------------+
//	   |                             |  ^                |
//	   |  will                  will |  | connect, seen  | connect, seen
//	   +----------> suspect <--------+  |                | = recovery
//	                   |  +-------------+                |
//	                   | deadline                        |
//	                   +------------> down --------------+
//	                                   ^
//	   up, silent or not back after a  | deadline
//	   restart of the broker ----------+
//
// Going down is an outage. Only a deadline makes one, and a deadline is judged
// only once everything sent before it has been applied (see DeviceStore.Due).
type DeviceState byte

// States of a device.
const (
	DeviceUp      DeviceState = 'u'
	DeviceSuspect DeviceState = 's' // its last will was seen, the delay is running
	DeviceDown    DeviceState = 'd'
)

// String returns the word for the state.
func (s DeviceState) String() string {
	switch s {
	case DeviceUp:
		return "up"
	case DeviceSuspect:
		return "suspect"
	case DeviceDown:
		return "down"
	}
	return "unknown"
}

// Cause is why a device has a deadline, went down or came back.
type Cause byte

// Causes.
const (
	CauseNone    Cause = 0
	CauseWill    Cause = 'l' // deadline: the delay of its last will
	CauseSilent  Cause = 's' // deadline: silent_after of its route
	CauseGrace   Cause = 'g' // deadline: it must come back after a restart of the broker
	CauseConnect Cause = 'c' // back: it connected
	CauseData    Cause = 'd' // back: a message of it came
)

// String returns the word for the cause.
func (c Cause) String() string {
	switch c {
	case CauseWill:
		return "lwt"
	case CauseSilent:
		return "silent"
	case CauseGrace:
		return "grace"
	case CauseConnect:
		return "connect"
	case CauseData:
		return "data"
	}
	return "none"
}

// Flapping: more than FlapOutages outages within FlapWindow, until there was
// none for FlapWindow.
const (
	FlapOutages = 3
	FlapWindow  = 10 * time.Minute
)

// Device is the record of one device in a store. Its methods are the state
// machine of presence, pure code: a store that keeps devices elsewhere than in Go
// (redisq) is tested against them.
//
// Store times are Unix microseconds by the store's clock. Presence times are
// microseconds of a clock that never jumps, which deadlines are measured by:
// store time = presence time + offset, and an offset is all that a jump of the
// store's clock changes. 0 is none.
type Device struct {
	Name  string
	State DeviceState
	// Generation counts its connects.
	Generation int64
	// Connected and Seen are when it last connected and sent something: store times.
	// Seen is brought up to date at most every SeenEvery, or more often where the
	// route has a silent_after.
	Connected, Seen int64
	// Silent is the silent_after of the route that it was last seen on, in
	// microseconds.
	Silent int64
	// Deadline, a presence time, is when the device goes down for the cause Due.
	Deadline int64
	Due      Cause
	// Lost is the store time since which nothing was heard of it.
	Lost int64
	// Down is the store time at which its last outage began, DownCause why. With the
	// name it is the key of the outage.
	Down      int64
	DownCause Cause
	// DownMuted: no report was wanted of that outage, so none of its end.
	DownMuted bool
	// Outages are the presence times of the last outages, oldest first: those within
	// FlapWindow of the newest, at most FlapOutages+1.
	Outages []int64
	// Flapping: since the outage before which there were FlapOutages in FlapWindow.
	Flapping bool
	// Steady, a presence time, is when it flaps no more unless it falls again.
	Steady int64
	// Muted is the store time until which no report is wanted.
	Muted int64
	// Version grows with every change.
	Version int64
}

// Change is what a move or a deadline did to a device.
type Change byte

// Changes.
const (
	NoChange     Change = iota
	Changed             // neither of the others
	WentDown            // an outage
	CameBack            // a recovery
	BecameSteady        // it flaps no more
)

// MoveKind is what a message says of a device.
type MoveKind byte

// Kinds of moves.
const (
	MoveConnect MoveKind = 'c' // the device has connected
	MoveWill    MoveKind = 'w' // its last will was published
	MoveSeen    MoveKind = 's' // a message of a route came of it
)

// Move is what one message says of a device.
type Move struct {
	Kind   MoveKind
	Device string
	// At is the presence time at which the message was received.
	At int64
	// Delay of a will, in microseconds, clamped to the configured limits.
	Delay int64
	// Silent is the silent_after of the message's route in microseconds, 0 for none.
	// For a connect it is what a device is held to that was never seen on a route;
	// below 0: no route has a silent_after.
	Silent int64
	// Client and Connection are set for the will of a front door's client: it ends the
	// connection, and is made only if that is the client's newest and its will
	// unfinished (see ClientStore).
	Client     string
	Connection int64
}

// Scene is what the state machine must know beside device and move.
type Scene struct {
	// Offset is store time less presence time.
	Offset int64
	// GraceUntil is the presence time before which no will takes a device down: the
	// broker was restarted, and a stopping broker publishes every will.
	GraceUntil int64
}

// SilentDeadline is the presence time at which a device that was seen at a
// presence time goes down for its silence: a quarter later than silent after it,
// because that is how old the stored time may be.
func SilentDeadline(at, silent int64) int64 { return at + silent + silent/4 }

// Apply makes a move.
func (d *Device) Apply(m Move, s Scene) Change {
	switch m.Kind {
	case MoveConnect:
		return d.connect(m, s)
	case MoveWill:
		return d.will(m, s)
	case MoveSeen:
		return d.see(m, s)
	}
	return NoChange
}

func (d *Device) connect(m Move, s Scene) Change {
	d.Generation++
	d.Connected = m.At + s.Offset
	switch {
	case m.Silent < 0:
		d.Silent = 0
	case d.Silent == 0:
		d.Silent = m.Silent
	}
	return d.back(m.At, s)
}

func (d *Device) see(m Move, s Scene) Change {
	d.Silent = m.Silent
	return d.back(m.At, s)
}

// back makes the device up at a presence time.
func (d *Device) back(at int64, s Scene) Change {
	change := Changed
	if d.State == DeviceDown {
		change = CameBack
	}
	d.State, d.Seen, d.Lost = DeviceUp, at+s.Offset, 0
	d.Deadline, d.Due = 0, CauseNone
	if d.Silent > 0 {
		d.Deadline, d.Due = SilentDeadline(at, d.Silent), CauseSilent
	}
	d.touch(at)
	return change
}

// will makes the device suspect, unless it is down already. Of two wills the one
// with the earlier deadline counts.
func (d *Device) will(m Move, s Scene) Change {
	deadline := max(m.At+m.Delay, s.GraceUntil)
	if d.State == DeviceDown || d.State == DeviceSuspect && d.Deadline <= deadline {
		return NoChange
	}
	if d.State != DeviceSuspect {
		d.Lost = m.At + s.Offset
	}
	d.State, d.Deadline, d.Due = DeviceSuspect, deadline, CauseWill
	d.touch(m.At)
	return Changed
}

// Fall takes the device down because its deadline has passed.
func (d *Device) Fall(s Scene) Change {
	at := d.Deadline + s.Offset
	if d.Lost == 0 {
		d.Lost = d.Seen
	}
	window := FlapWindow.Microseconds()
	recent := slices.DeleteFunc(slices.Clone(d.Outages), func(t int64) bool { return t <= d.Deadline-window })
	recent = append(recent, d.Deadline)
	d.Outages = recent[max(len(recent)-FlapOutages-1, 0):]
	d.Flapping = len(d.Outages) > FlapOutages || d.Flapping && len(d.Outages) > 1
	d.Steady = 0
	if d.Flapping {
		d.Steady = d.Deadline + window
	}
	d.State, d.Down, d.DownCause, d.DownMuted = DeviceDown, at, d.Due, d.Muted > at
	d.touch(d.Deadline)
	d.Deadline, d.Due = 0, CauseNone
	return WentDown
}

// BeSteady ends the flapping of the device; its time has come.
func (d *Device) BeSteady() Change {
	at := d.Steady
	d.Flapping, d.Steady, d.Outages = false, 0, nil
	d.touch(at)
	return BecameSteady
}

// Grace gives a device that is up or suspect until a presence time to come back
// after a restart of the broker, which was noticed at the presence time now. One
// that is up and was seen at or after since, a store time, has come back already;
// one that never told of a connect will not tell of the next one either, it only
// has its silence to begin anew. Of one that is suspect the last thing heard is a
// will, perhaps that of a stopping broker.
func (d *Device) Grace(now, until, since int64, s Scene) Change {
	switch {
	case d.State == DeviceDown, d.State == DeviceUp && d.Seen >= since:
		return NoChange
	case d.State == DeviceUp && d.Generation == 0:
		return d.Hearken(now)
	case d.State == DeviceSuspect:
		until = max(until, d.Deadline)
	}
	d.Deadline, d.Due = until, CauseGrace
	d.touch(now)
	return Changed
}

// Pardon is Grace after the broker has forgotten the session that was to receive
// for us, though it was not restarted: nobody connects anew, but what was said in
// the meantime is lost. Silence begins anew, and a device that was suspect before
// since, a store time, has until a presence time to be heard of.
func (d *Device) Pardon(now, until, since int64) Change {
	switch {
	case d.State == DeviceUp && d.Seen < since:
		return d.Hearken(now)
	case d.State == DeviceSuspect && d.Lost < since && d.Deadline < until:
		d.Deadline = until
		d.touch(now)
		return Changed
	}
	return NoChange
}

// Orphan makes a device suspect whose connection ended with the replica that had
// it, unless it is down: it has until a presence time at least to be heard of. A
// device that is suspect already keeps what was lost then.
func (d *Device) Orphan(now, until int64, s Scene) Change {
	if d.State != DeviceSuspect {
		change := d.will(Move{At: now, Delay: until - now}, s)
		if change == Changed {
			d.Due = CauseGrace
		}
		return change
	}
	return d.Await(now, until)
}

// Await gives a device that is suspect until a presence time at least: it is about to
// be heard of, or had nobody to come back to.
func (d *Device) Await(now, until int64) Change {
	if d.State != DeviceSuspect || d.Deadline >= until {
		return NoChange
	}
	d.Deadline, d.Due = until, CauseGrace
	d.touch(now)
	return Changed
}

// Hearken begins the silence of a device anew at a presence time, if it is held to one.
func (d *Device) Hearken(now int64) Change {
	deadline := SilentDeadline(now, d.Silent)
	if d.Due != CauseSilent || d.Deadline >= deadline {
		return NoChange
	}
	d.Deadline = deadline
	d.touch(now)
	return Changed
}

// touch gives the device a new version.
func (d *Device) touch(at int64) { d.Version = max(d.Version+1, at) }
