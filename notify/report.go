package notify

import (
	"time"

	"sluice/gen/sluicev1"
)

// Report is what one batch of events has to tell. Names are escaped: of a
// character that no name has, %XX is left per byte. Times are UTC by the clock of
// the facility's store, zero when the event had none.
type Report struct {
	// ID is that of the batch, or of a test.
	ID       string `json:"id"`
	Facility string `json:"facility"`
	// At is the time of the newest event.
	At time.Time `json:"at"`
	// Test: nothing has happened, somebody tries whether reports arrive.
	Test bool `json:"test,omitempty"`
	// Summary is the first line of the text.
	Summary string `json:"summary"`
	// Storm is set when so many devices went down that the text does not list them.
	Storm *Storm `json:"storm,omitempty"`
	// Outages has first the devices that are still down, then those that came back
	// within the batch; each in order of their going down.
	Outages []Outage `json:"outages,omitempty"`
	// Flapping has the devices that began to flap: of their further outages and
	// recoveries nothing is said.
	Flapping []Flap `json:"flapping,omitempty"`
	// Recoveries end outages of earlier reports.
	Recoveries []Recovery `json:"recoveries,omitempty"`
	// Steady has the devices that flap no more.
	Steady []Steady `json:"steady,omitempty"`
	// Restarts are those of the broker.
	Restarts []Restart `json:"restarts,omitempty"`
}

// Outage is a device that went down.
type Outage struct {
	Device string `json:"device"`
	// Cause is lwt, silent, grace or none, as in sluice.Cause.
	Cause string `json:"cause"`
	// Down is when it went down, with the device the key of the outage.
	Down time.Time `json:"down_at"`
	// Lost is since when nothing was heard of it.
	Lost time.Time `json:"lost_at,omitzero"`
	// Back is when it came back, zero while it is down.
	Back time.Time `json:"back_at,omitzero"`
}

// Flap is a device that began to flap with an outage.
type Flap struct {
	Device string    `json:"device"`
	Cause  string    `json:"cause"`
	Down   time.Time `json:"down_at"`
	// Outages within sluice.FlapWindow; the store counts no further than 4.
	Outages int `json:"outages"`
}

// Recovery is a device that came back.
type Recovery struct {
	Device string `json:"device"`
	// Cause is connect, data or none, as in sluice.Cause.
	Cause string    `json:"cause"`
	Down  time.Time `json:"down_at,omitzero"`
	Back  time.Time `json:"back_at"`
}

// Steady is a device that flaps no more.
type Steady struct {
	Device string `json:"device"`
	// State is up, suspect or down, as in sluice.DeviceState.
	State string `json:"state"`
	// Down is since when it is down, zero when it is not.
	Down time.Time `json:"down_at,omitzero"`
}

// Restart is one of the broker.
type Restart struct {
	Noticed time.Time `json:"noticed_at"`
	Started time.Time `json:"started_at,omitzero"`
	// Until is when devices that have not come back are taken for down.
	Until time.Time `json:"until,omitzero"`
}

// Storm sums up outages of more than half of the devices (see sluice.Storm).
type Storm struct {
	// Devices went down, flapping ones included, of Alive that were not down before.
	Devices int `json:"devices"`
	Alive   int `json:"alive"`
	// First and Last are when the first and the last of them went down.
	First time.Time `json:"first_down_at"`
	Last  time.Time `json:"last_down_at"`
}

// empty tells whether there is nothing to say.
func (r *Report) empty() bool {
	return len(r.Outages)+len(r.Flapping)+len(r.Recoveries)+len(r.Steady)+len(r.Restarts) == 0
}

// Top returns a copy of the report that lists at most n devices, and how many it
// leaves out. The slices of both share memory.
func (r *Report) Top(n int) (top *Report, more int) {
	c := *r
	c.Outages = cutList(c.Outages, &n, &more)
	c.Flapping = cutList(c.Flapping, &n, &more)
	c.Recoveries = cutList(c.Recoveries, &n, &more)
	c.Steady = cutList(c.Steady, &n, &more)
	return &c, more
}

// cutList takes what room there is off the list and counts the rest.
func cutList[T any](list []T, room, more *int) []T {
	n := min(len(list), *room)
	*room -= n
	*more += len(list) - n
	return list[:n:n]
}

// causeWord is the word of sluice.Cause.
func causeWord(c sluicev1.PresenceCause) string {
	switch c {
	case sluicev1.PresenceCause_PRESENCE_CAUSE_LWT:
		return "lwt"
	case sluicev1.PresenceCause_PRESENCE_CAUSE_SILENT:
		return "silent"
	case sluicev1.PresenceCause_PRESENCE_CAUSE_GRACE:
		return "grace"
	case sluicev1.PresenceCause_PRESENCE_CAUSE_CONNECT:
		return "connect"
	case sluicev1.PresenceCause_PRESENCE_CAUSE_DATA:
		return "data"
	}
	return "none"
}

// stateWord is the word of sluice.DeviceState.
func stateWord(s sluicev1.PresenceState) string {
	switch s {
	case sluicev1.PresenceState_PRESENCE_STATE_UP:
		return "up"
	case sluicev1.PresenceState_PRESENCE_STATE_SUSPECT:
		return "suspect"
	case sluicev1.PresenceState_PRESENCE_STATE_DOWN:
		return "down"
	}
	return "unknown"
}
