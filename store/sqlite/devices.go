package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/store"
)

// Devices is the sink of changes of devices, the handler of sluice.QueueDevices. It
// keeps the tables device (what is known of each device now), outage (the history of
// outages) and broker_restart, by the same rules as postgres.Devices. Safe for concurrent
// use; batches take turns.
type Devices struct {
	store    *Store
	facility int32
}

// NewDevices returns the sink for the facility of that number (see Facility).
func NewDevices(s *Store, facility int32) *Devices { return &Devices{store: s, facility: facility} }

// Handle implements sluice.Handler. It returns nil, a *sluice.BatchError, a sluice.Halt
// or an error to be tried again. Reasons: decode, device_name.
func (d *Devices) Handle(ctx context.Context, b *sluice.Batch) error {
	events, bad := store.DecodeEvents(b)
	steps, restarts := store.Fold(events)
	stored, err := d.store.once(ctx, b.ID, func(c *conn) error {
		t, err := d.begin(c)
		if err != nil {
			return err
		}
		for _, s := range steps {
			t.step(s)
		}
		t.restarts(restarts)
		if t.err == nil && len(bad) > 0 {
			return &sluice.BatchError{Bad: bad}
		}
		return t.err
	})
	if err != nil {
		return Failure(b.Attempt, fmt.Errorf("store devices: %w", err))
	}
	return store.DecodeOutcome(stored)
}

// telling is one transaction; after an error it does nothing more.
type telling struct {
	*conn

	facility int32
	change   int64
	err      error
}

func (d *Devices) begin(c *conn) (*telling, error) {
	change, err := c.nextChange()
	return &telling{conn: c, facility: d.facility, change: change}, err
}

// nextChange is the number of this transaction among those that readers follow.
func (c *conn) nextChange() (n int64, err error) {
	_, err = c.row(`UPDATE change SET number = number + 1 RETURNING number`, nil, func(s *sqlite3.Stmt) { n = s.ColumnInt64(0) })
	return n, err
}

func (t *telling) do(sql string, args ...any) {
	if t.err == nil {
		_, t.err = t.exec(sql, args...)
	}
}

// step does what the events of a step tell, in the order of package store.
func (t *telling) step(s *store.Step) {
	for i := range s.Outages {
		t.outage(&s.Outages[i])
	}
	for i := range s.Outages {
		t.closeLost(s.Outages[i].Device)
	}
	for _, e := range s.Forgotten {
		t.forget(e)
	}
	for _, r := range s.Reports {
		t.report(r)
	}
	for i := range s.Devices {
		t.device(&s.Devices[i])
	}
}

// outage: what is stored stays; a row gets what it lacks: the beginning where only the
// end was told, the end where there is none or only a guess (lost).
func (t *telling) outage(o *store.Outage) {
	t.do(`INSERT INTO outage AS o (facility_id, device, down_at, lost_at, cause, muted, flap, up_at, recovery, changed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET
			lost_at  = CASE WHEN o.cause = '' AND excluded.cause <> '' THEN excluded.lost_at ELSE o.lost_at END,
			muted    = CASE WHEN o.cause = '' AND excluded.cause <> '' THEN excluded.muted ELSE o.muted END,
			flap     = CASE WHEN o.cause = '' AND excluded.cause <> '' THEN excluded.flap ELSE o.flap END,
			cause    = CASE WHEN o.cause = '' THEN excluded.cause ELSE o.cause END,
			up_at    = CASE WHEN o.recovery IN ('', 'lost') AND excluded.recovery <> '' THEN excluded.up_at ELSE o.up_at END,
			recovery = CASE WHEN o.recovery IN ('', 'lost') AND excluded.recovery <> '' THEN excluded.recovery ELSE o.recovery END,
			changed  = excluded.changed
		WHERE o.cause = '' AND excluded.cause <> '' OR o.recovery IN ('', 'lost') AND excluded.recovery <> ''`,
		t.facility, o.Device, o.Down, o.Lost, o.Cause, o.Muted, o.Flap, o.Up, o.Recovery, t.change)
}

// closeLost: an outage lasts no longer than to the next one of its device.
func (t *telling) closeLost(device string) {
	const next = `(SELECT min(n.down_at) FROM outage n WHERE n.facility_id = o.facility_id AND n.device = o.device AND n.down_at > o.down_at)`
	t.do(`UPDATE outage AS o SET up_at = `+next+`, recovery = 'lost', changed = ?
		WHERE facility_id = ? AND device = ? AND recovery = '' AND `+next+` IS NOT NULL`, t.change, t.facility, device)
}

// forget: what is known of a device that is newer than its forgetting stays, and so do
// its outages.
func (t *telling) forget(e *sluicev1.PresenceEvent) {
	t.do(`UPDATE outage SET up_at = ?, recovery = 'forgotten', changed = ?
		WHERE facility_id = ?3 AND device = ?4 AND recovery = ''
		AND NOT EXISTS (SELECT 1 FROM device d WHERE d.facility_id = ?3 AND d.device = ?4 AND d.version > ?5)`,
		e.At, t.change, t.facility, e.Device, e.Version)
	t.do(`DELETE FROM device WHERE facility_id = ? AND device = ? AND version <= ?`, t.facility, e.Device, e.Version)
}

// report: those of an outage that is not there are dropped.
func (t *telling) report(r store.Report) {
	if t.err != nil {
		return
	}
	var ids []string
	found, err := t.row(`SELECT report_ids FROM outage WHERE facility_id = ? AND device = ? AND down_at = ?`,
		[]any{t.facility, r.Device, r.Down}, func(s *sqlite3.Stmt) { ids = reportIDs(s, 0) })
	if t.err = err; err != nil || !found || slices.Contains(ids, r.ID) {
		return
	}
	t.do(`UPDATE outage SET report_ids = ?, changed = ? WHERE facility_id = ? AND device = ? AND down_at = ?`,
		list(append(ids, r.ID)), t.change, t.facility, r.Device, r.Down)
}

// reportIDs reads a list that list wrote.
func reportIDs(s *sqlite3.Stmt, column int) (ids []string) {
	if err := json.Unmarshal(s.ColumnRawText(column), &ids); err != nil {
		return nil
	}
	return ids
}

// device: of two states the one with the higher version stays. The cause of the last
// outage stays until there is another outage.
func (t *telling) device(d *store.Device) {
	flapping := d.Flap != sluicev1.PresenceFlap_PRESENCE_FLAP_UNSPECIFIED
	t.do(`INSERT INTO device AS d (facility_id, device, state, generation, connected_at, seen_at, lost_at, down_at, cause, flapping,
			muted_until, version, changed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET
			state = excluded.state, generation = excluded.generation, connected_at = excluded.connected_at,
			seen_at = excluded.seen_at, lost_at = excluded.lost_at, down_at = excluded.down_at,
			cause = CASE WHEN excluded.cause = '' AND d.down_at = excluded.down_at AND d.down_at <> 0 THEN d.cause ELSE excluded.cause END,
			flapping = excluded.flapping, muted_until = excluded.muted_until, version = excluded.version, changed = excluded.changed
		WHERE d.version <= excluded.version`,
		t.facility, d.Device, store.StateWords[d.State], d.Generation, d.ConnectedAt, d.SeenAt, d.Lost(), d.DownAt, d.DownCause, flapping,
		d.MutedUntil, d.Version, t.change)
}

// restarts: of a restart, DownAt is when the broker was started.
func (t *telling) restarts(events []*sluicev1.PresenceEvent) {
	for _, e := range events {
		t.do(`INSERT INTO broker_restart (facility_id, at, started_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, t.facility, e.At, e.DownAt)
	}
}
