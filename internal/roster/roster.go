package roster

import "sluice"

// Roster is what a store knows of those who send.
type Roster struct {
	Facts    Table[string, Facts] // one, with the key ""
	Sessions Table[string, Session]
	Devices  Devices
	Clients  Table[string, Client]
	// Delivered has the redelivery records of sessions, ClientDelivered those of clients.
	Delivered, ClientDelivered Record
	// Pages says how many records a call that pages looks at.
	Pages Pages
}

// Pages are sizes of pages; 0 is 1000.
type Pages struct{ Devices, Grace, Clients int }

// Facts are what is known of no one in particular.
type Facts struct {
	Offset      int64 `json:"offset,omitempty"`      // store time less presence time
	GraceUntil  int64 `json:"grace_until,omitempty"` // presence time, see sluice.Scene
	BrokerSeen  int64 `json:"broker_seen,omitempty"` // presence time, see sluice.Attendance
	Unheard     int64 `json:"unheard,omitempty"`     // presence time until which nobody could be heard of
	StormUntil  int64 `json:"storm_until,omitempty"` // presence time: the last deadline of the storm that was taken last
	Connections int64 `json:"connections,omitempty"` // of clients, ever
}

// New returns a roster that knows nobody.
func New(p Pages) *Roster {
	for _, n := range []*int{&p.Devices, &p.Grace, &p.Clients} {
		if *n == 0 {
			*n = 1000
		}
	}
	r := &Roster{Pages: p}
	r.Facts.Put("")
	r.Commit()
	return r
}

// Commit ends a step.
func (r *Roster) Commit() {
	r.Facts.Commit()
	r.Sessions.Commit()
	r.Devices.table.Commit()
	r.Clients.Commit()
	r.Delivered.Commit()
	r.ClientDelivered.Commit()
}

// Rollback ends a step and leaves everything as it was before it.
func (r *Roster) Rollback() {
	r.Facts.Rollback()
	r.Sessions.Rollback()
	r.Devices.rollback()
	r.Clients.Rollback()
	r.Delivered.Rollback()
	r.ClientDelivered.Rollback()
}

func (r *Roster) facts() *Facts { return r.Facts.Get("") }

func (r *Roster) scene() sluice.Scene {
	return sluice.Scene{Offset: r.facts().Offset, GraceUntil: r.facts().GraceUntil}
}

// Clock is the presence time at a store time.
func (r *Roster) Clock(now int64) sluice.StoreClock {
	return sluice.StoreClock{Now: now - r.facts().Offset, Offset: r.facts().Offset}
}

// SetOffset is that of sluice.DeviceStore.
func (r *Roster) SetOffset(before, after int64) {
	if r.facts().Offset == before {
		r.Facts.Edit("").Offset = after
	}
}
