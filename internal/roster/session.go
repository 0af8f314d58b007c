package roster

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"sluice"
)

// Session is one stream of appends. It outlives its leases.
type Session struct {
	Leases  int            `json:"leases,omitempty"` // how many there have been
	Filters []string       `json:"filters"`          // nil: never subscribed
	Holder  string         `json:"holder,omitempty"`
	Token   string         `json:"token,omitempty"` // "" when given up
	Until   int64          `json:"until,omitempty"`
	Number  uint64         `json:"number,omitempty"` // of the token's last group
	Receipt sluice.Receipt `json:"receipt"`

	Attends  string `json:"attends,omitempty"`   // the token under which it feeds presence
	Door     bool   `json:"door,omitempty"`      // of a front door
	CaughtUp int64  `json:"caught_up,omitempty"` // presence time
}

// Lease is that of sluice.Queue.
func (r *Roster) Lease(name, holder string, ttl time.Duration, now int64) (sluice.Lease, error) {
	if s := r.Sessions.Get(name); s == nil {
		r.Sessions.Put(name)
	} else if s.Token != "" && s.Holder != holder && now < s.Until {
		return sluice.Lease{}, sluice.ErrHeld
	}
	s := r.Sessions.Edit(name)
	s.Leases++
	s.Holder, s.Until = holder, now+ttl.Microseconds()
	s.Token = fmt.Sprintf("%d-%s", s.Leases, rand.Text())
	s.Number, s.Receipt = 0, sluice.Receipt{}
	return sluice.Lease{Session: name, Token: s.Token, Filters: slices.Clone(s.Filters), Delivered: r.Delivered.Newest(name, -1)}, nil
}

// Leased returns the session of a lease, not to be changed; ErrFenced when the token is
// not the current one.
func (r *Roster) Leased(l sluice.Lease) (*Session, error) {
	s := r.Sessions.Get(l.Session)
	if s == nil || l.Token == "" || s.Token != l.Token {
		return nil, sluice.ErrFenced
	}
	return s, nil
}

// edit is Leased for changing.
func (r *Roster) edit(l sluice.Lease) (*Session, error) {
	if _, err := r.Leased(l); err != nil {
		return nil, err
	}
	return r.Sessions.Edit(l.Session), nil
}

// Renew is that of sluice.Queue.
func (r *Roster) Renew(l sluice.Lease, ttl time.Duration, now int64) error {
	s, err := r.edit(l)
	if err == nil {
		s.Until = now + ttl.Microseconds()
	}
	return err
}

// Unlease is that of sluice.Queue.
func (r *Roster) Unlease(l sluice.Lease, now int64) {
	if s, err := r.edit(l); err == nil {
		s.Token, s.Until = "", now
	}
}

// Forget is that of sluice.Queue.
func (r *Roster) Forget(l sluice.Lease) error {
	_, err := r.Leased(l)
	if err == nil {
		r.Delivered.Clear(l.Session)
	}
	return err
}

// Subscribe is that of sluice.Queue.
func (r *Roster) Subscribe(l sluice.Lease, filters []string) error {
	s, err := r.edit(l)
	if err == nil {
		s.Filters = append([]string{}, filters...)
	}
	return err
}

// EnterDoor is that of sluice.ClientStore.
func (r *Roster) EnterDoor(l sluice.Lease) error {
	s, err := r.edit(l)
	if err == nil {
		s.Door = true
	}
	return err
}

// Doors is that of sluice.ClientStore.
func (r *Roster) Doors(now int64) (doors []sluice.DoorSession) {
	for name, s := range r.Sessions.All() {
		if s.Door {
			doors = append(doors, sluice.DoorSession{
				Session: name, Token: s.Token, Expires: s.Until, Expired: s.Token == "" || now >= s.Until,
			})
		}
	}
	return doors
}

// Attend is that of sluice.DeviceStore.
func (r *Roster) Attend(l sluice.Lease, seen int64) (sluice.Attendance, error) {
	s, err := r.edit(l)
	if err != nil {
		return sluice.Attendance{}, err
	}
	s.Attends = s.Token
	if seen > r.facts().BrokerSeen {
		r.Facts.Edit("").BrokerSeen = seen
	}
	return sluice.Attendance{CaughtUp: s.CaughtUp, BrokerSeen: r.facts().BrokerSeen}, nil
}

// Unheard is that of sluice.DeviceStore.
func (r *Roster) Unheard(l sluice.Lease, until int64) error {
	_, err := r.Leased(l)
	if err == nil && until > r.facts().Unheard {
		r.Facts.Edit("").Unheard = until
	}
	return err
}

// live tells whether the session feeds presence. That of a front door does until it
// is inherited.
func (s *Session) live(now int64) bool {
	if s.Door {
		return s.Attends != "" && now < s.Until+sluice.DoorHeld.Microseconds()
	}
	return s.Token != "" && s.Attends == s.Token && now < s.Until
}

// caughtUp is the least caught_up of the live sessions; 0 when there is none, or one
// has none.
func (r *Roster) caughtUp(now int64) (least int64) {
	for _, s := range r.Sessions.All() {
		switch {
		case !s.live(now):
		case s.CaughtUp == 0:
			return 0
		case least == 0 || s.CaughtUp < least:
			least = s.CaughtUp
		}
	}
	return least
}

// Admit looks whether a group may be stored: it may not under an old token
// (ErrFenced), out of order, or for what its clients and devices are
// (*StaleClientsError, *DeviceLimitError). repeated is set when it is stored already:
// receipt is that of the first time.
func (r *Roster) Admit(g *sluice.Group) (receipt sluice.Receipt, repeated bool, err error) {
	s, err := r.Leased(g.Lease)
	switch {
	case err != nil:
		return receipt, false, err
	case g.Number == s.Number && s.Number > 0:
		receipt = CloneReceipt(s.Receipt)
		receipt.Repeated = true
		return receipt, true, nil
	case g.Number != s.Number+1:
		return receipt, false, fmt.Errorf("group %d follows group %d", g.Number, s.Number)
	}
	return receipt, false, nil
}

// Fits looks whether the clients and devices of a group allow it:
// *StaleClientsError or *DeviceLimitError, or an error of its own for a move that
// no ingest may make.
func (r *Roster) Fits(g *sluice.Group) error {
	if err := r.stale(g.Clients); err != nil {
		return err
	}
	return r.room(g.Moves, g.Presence.MaxDevices, r.skips(g))
}

// Take takes in what an admitted group says of those who send. Tidings is nil when it
// has no moves.
func (r *Roster) Take(g *sluice.Group, now int64) *Tidings {
	r.deliver(g.Clients, now)
	t := r.move(g, now)
	if s := r.Sessions.Edit(g.Lease.Session); g.CaughtUp > s.CaughtUp {
		s.CaughtUp = g.CaughtUp
	}
	r.Delivered.Add(g.Lease.Session, g.Delivered, g.Remember)
	return t
}

// Taken ends the append of a group.
func (r *Roster) Taken(g *sluice.Group, receipt sluice.Receipt) {
	s := r.Sessions.Edit(g.Lease.Session)
	s.Number, s.Receipt = g.Number, CloneReceipt(receipt)
}

// CloneReceipt returns a receipt that shares nothing with r.
func CloneReceipt(r sluice.Receipt) sluice.Receipt {
	r.Parts = slices.Clone(r.Parts)
	return r
}

// CheckMoves refuses what no ingest may say.
func CheckMoves(moves []sluice.Move) error {
	for i, m := range moves {
		switch m.Kind {
		case sluice.MoveConnect, sluice.MoveWill, sluice.MoveSeen:
		default:
			return fmt.Errorf("move %d: unknown kind %q", i, m.Kind)
		}
		if !sluice.ValidName(m.Device) {
			return fmt.Errorf("move %d: device %q: %s", i, m.Device, sluice.NameRule)
		}
	}
	return nil
}
