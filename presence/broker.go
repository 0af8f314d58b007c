package presence

import "time"

// uptime is what the broker said of itself.
type uptime struct {
	up    time.Duration
	at    int64 // presence time of receipt
	stale bool  // a retained message: as of the broker's last update
}

// slackStale is how much earlier than a retained uptime says a broker may have been
// started: the message may be as old as the interval of its updates.
const slackStale = 70 * time.Second

// verdict is what an uptime says about a restart.
type verdict int

const (
	undecided verdict = iota // wait for an uptime that is not stale
	same                     // the broker has been running all the time
	restarted
)

// judge tells whether the broker was started after the presence time last, at
// which it was known to run (0: never known). A live uptime always decides, in
// doubt for a restart: that only delays outages.
func (u uptime) judge(last int64) (v verdict, started int64) {
	started = u.at - u.up.Microseconds()
	switch {
	case last == 0 || started < last:
		return same, started
	case !u.stale || started-slackStale.Microseconds() > last:
		return restarted, started
	}
	return undecided, started
}
