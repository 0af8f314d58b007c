package postgres

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// devicesLock is the first key of the advisory lock that the batches of a
// facility take turns by: "devi" in ASCII. Each has many rows, and what a batch
// does to an outage depends on the others of its device.
const devicesLock = 0x64657669

// lockDevices begins a batch. In the first storm of a new facility the tables
// grow from nothing to a fleet before they are analyzed, and a plan that suits
// an empty table, or one made from no statistics, took seconds a batch there. So
// the statements leave the planner no choice but a look-up by key for each row:
// LATERAL with LIMIT or OFFSET 0 is no join that it may turn around, ON CONFLICT
// is none at all, and the setting, which ends with the transaction, takes away
// what it would do with a table of one page.
const lockDevices = `SELECT pg_advisory_xact_lock($1::int, $2::int), set_config('enable_seqscan', 'off', true)`

// What is stored stays; a row gets what it lacks: the beginning where only the
// end was told, the end where there is none or only a guess (lost).
const insertOutages = `
INSERT INTO data.outage AS o (facility_id, device, down_at, lost_at, cause, muted, flap, up_at, recovery)
SELECT $1::int, * FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::bool[], $7::text[],
    $8::timestamptz[], $9::text[])
ON CONFLICT (facility_id, device, down_at) DO UPDATE SET
    lost_at  = CASE WHEN o.cause = '' AND excluded.cause <> '' THEN excluded.lost_at ELSE o.lost_at END,
    muted    = CASE WHEN o.cause = '' AND excluded.cause <> '' THEN excluded.muted ELSE o.muted END,
    flap     = CASE WHEN o.cause = '' AND excluded.cause <> '' THEN excluded.flap ELSE o.flap END,
    cause    = CASE WHEN o.cause = '' THEN excluded.cause ELSE o.cause END,
    up_at    = CASE WHEN o.recovery IN ('', 'lost') AND excluded.recovery <> '' THEN excluded.up_at ELSE o.up_at END,
    recovery = CASE WHEN o.recovery IN ('', 'lost') AND excluded.recovery <> '' THEN excluded.recovery ELSE o.recovery END
WHERE o.cause = '' AND excluded.cause <> '' OR o.recovery IN ('', 'lost') AND excluded.recovery <> ''`

// An outage lasts no longer than to the next one of its device. Every row is
// there: there are only conflicts.
const closeLost = `
INSERT INTO data.outage AS o (facility_id, device, down_at, cause, muted, flap, up_at, recovery)
SELECT $1::int, u.device, p.down_at, '', false, '', n.down_at, 'lost'
FROM unnest($2::text[]) AS u(device)
CROSS JOIN LATERAL (
    SELECT down_at FROM data.outage
    WHERE facility_id = $1 AND device = u.device AND up_at IS NULL OFFSET 0
) p
CROSS JOIN LATERAL (
    SELECT down_at FROM data.outage
    WHERE facility_id = $1 AND device = u.device AND down_at > p.down_at ORDER BY down_at LIMIT 1
) n
ON CONFLICT (facility_id, device, down_at) DO UPDATE SET up_at = excluded.up_at, recovery = excluded.recovery`

// What is known of a device that is newer than its forgetting stays, and so do its
// outages.
const (
	closeForgotten = `
INSERT INTO data.outage AS o (facility_id, device, down_at, cause, muted, flap, up_at, recovery)
SELECT $1::int, u.device, p.down_at, '', false, '', u.at, 'forgotten'
FROM unnest($2::text[], $3::bigint[], $4::timestamptz[]) AS u(device, version, at)
CROSS JOIN LATERAL (
    SELECT down_at FROM data.outage
    WHERE facility_id = $1 AND device = u.device AND up_at IS NULL OFFSET 0
) p
WHERE (SELECT d.version FROM data.device d WHERE d.facility_id = $1 AND d.device = u.device) > u.version IS NOT TRUE
ON CONFLICT (facility_id, device, down_at) DO UPDATE SET up_at = excluded.up_at, recovery = excluded.recovery`
	deleteForgotten = `
DELETE FROM data.device WHERE ctid = ANY (ARRAY(
    SELECT d.ctid
    FROM unnest($2::text[], $3::bigint[]) AS u(device, version)
    CROSS JOIN LATERAL (
        SELECT ctid FROM data.device
        WHERE facility_id = $1 AND device = u.device AND version <= u.version LIMIT 1
    ) d))`
)

// Reports of an outage that is not there are dropped; again there are only
// conflicts.
const addReports = `
INSERT INTO data.outage AS o (facility_id, device, down_at, cause, muted, flap, report_ids)
SELECT $1::int, n.device, n.down_at, '', false, '', n.ids
FROM (
    SELECT u.device, u.down_at, array_agg(u.id ORDER BY u.ord) AS ids
    FROM unnest($2::text[], $3::timestamptz[], $4::text[]) WITH ORDINALITY AS u(device, down_at, id, ord)
    GROUP BY u.device, u.down_at
) n
CROSS JOIN LATERAL (
    SELECT FROM data.outage WHERE facility_id = $1 AND device = n.device AND down_at = n.down_at LIMIT 1
) there
ON CONFLICT (facility_id, device, down_at) DO UPDATE SET
    report_ids = o.report_ids || ARRAY(SELECT i FROM unnest(excluded.report_ids) i WHERE i <> ALL (o.report_ids))
WHERE NOT o.report_ids @> excluded.report_ids`

// The cause of the last outage stays until there is another outage.
const upsertDevices = `
INSERT INTO data.device AS d (facility_id, device, state, generation, connected_at, seen_at, lost_at, down_at, cause,
    flapping, muted_until, version)
SELECT $1::int, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
    $7::timestamptz[], $8::timestamptz[], $9::text[], $10::bool[], $11::timestamptz[], $12::bigint[])
ON CONFLICT (facility_id, device) DO UPDATE SET
    state = excluded.state, generation = excluded.generation, connected_at = excluded.connected_at,
    seen_at = excluded.seen_at, lost_at = excluded.lost_at, down_at = excluded.down_at,
    cause = CASE WHEN excluded.cause = '' AND d.down_at = excluded.down_at THEN d.cause ELSE excluded.cause END,
    flapping = excluded.flapping, muted_until = excluded.muted_until, version = excluded.version, updated_at = now()
WHERE d.version <= excluded.version`

const insertRestarts = `
INSERT INTO data.broker_restart (facility_id, at, started_at)
SELECT $1::int, * FROM unnest($2::timestamptz[], $3::timestamptz[]) ON CONFLICT DO NOTHING`

func queueOutages(b *pgx.Batch, facility int32, s *store.Step) {
	if len(s.Outages) == 0 {
		return
	}
	device := column(s.Outages, func(o *store.Outage) string { return o.Device })
	b.Queue(insertOutages, facility, device,
		column(s.Outages, func(o *store.Outage) pgtype.Timestamptz { return moment(o.Down) }),
		column(s.Outages, func(o *store.Outage) pgtype.Timestamptz { return moment(o.Lost) }),
		column(s.Outages, func(o *store.Outage) string { return o.Cause }),
		column(s.Outages, func(o *store.Outage) bool { return o.Muted }),
		column(s.Outages, func(o *store.Outage) string { return o.Flap }),
		column(s.Outages, func(o *store.Outage) pgtype.Timestamptz { return moment(o.Up) }),
		column(s.Outages, func(o *store.Outage) string { return o.Recovery }))
	b.Queue(closeLost, facility, slices.Compact(slices.Clone(device)))
}

func queueForgotten(b *pgx.Batch, facility int32, s *store.Step) {
	if len(s.Forgotten) == 0 {
		return
	}
	device := column(s.Forgotten, func(e **sluicev1.PresenceEvent) string { return (*e).Device })
	version := column(s.Forgotten, func(e **sluicev1.PresenceEvent) int64 { return (*e).Version })
	b.Queue(closeForgotten, facility, device, version,
		column(s.Forgotten, func(e **sluicev1.PresenceEvent) pgtype.Timestamptz { return moment((*e).At) }))
	b.Queue(deleteForgotten, facility, device, version)
}

func queueReports(b *pgx.Batch, facility int32, s *store.Step) {
	if len(s.Reports) == 0 {
		return
	}
	b.Queue(addReports, facility,
		column(s.Reports, func(r *store.Report) string { return r.Device }),
		column(s.Reports, func(r *store.Report) pgtype.Timestamptz { return moment(r.Down) }),
		column(s.Reports, func(r *store.Report) string { return r.ID }))
}

func queueDevices(b *pgx.Batch, facility int32, s *store.Step) {
	if len(s.Devices) == 0 {
		return
	}
	b.Queue(upsertDevices, facility,
		column(s.Devices, func(d *store.Device) string { return d.Device }),
		column(s.Devices, func(d *store.Device) string { return store.StateWords[d.State] }),
		column(s.Devices, func(d *store.Device) int64 { return d.Generation }),
		column(s.Devices, func(d *store.Device) pgtype.Timestamptz { return moment(d.ConnectedAt) }),
		column(s.Devices, func(d *store.Device) pgtype.Timestamptz { return moment(d.SeenAt) }),
		column(s.Devices, func(d *store.Device) pgtype.Timestamptz { return moment(d.Lost()) }),
		column(s.Devices, func(d *store.Device) pgtype.Timestamptz { return moment(d.DownAt) }),
		column(s.Devices, func(d *store.Device) string { return d.DownCause }),
		column(s.Devices, func(d *store.Device) bool { return d.Flap != sluicev1.PresenceFlap_PRESENCE_FLAP_UNSPECIFIED }),
		column(s.Devices, func(d *store.Device) pgtype.Timestamptz { return moment(d.MutedUntil) }),
		column(s.Devices, func(d *store.Device) int64 { return d.Version }))
}

// queueRestarts: of a restart, down_at is when the broker was started.
func queueRestarts(b *pgx.Batch, facility int32, restarts []*sluicev1.PresenceEvent) {
	if len(restarts) == 0 {
		return
	}
	b.Queue(insertRestarts, facility,
		column(restarts, func(e **sluicev1.PresenceEvent) pgtype.Timestamptz { return moment((*e).At) }),
		column(restarts, func(e **sluicev1.PresenceEvent) pgtype.Timestamptz { return moment((*e).DownAt) }))
}

// column returns one value of each row.
func column[R, V any](rows []R, value func(*R) V) []V {
	values := make([]V, len(rows))
	for i := range rows {
		values[i] = value(&rows[i])
	}
	return values
}

// moment is a time in Unix microseconds as PostgreSQL has it; 0 is null.
func moment(at int64) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: time.UnixMicro(at), Valid: at != 0}
}
