-- What the routers themselves keep in the database.

-- +goose Up
CREATE TABLE sluice.entry_counter (
    facility_id int    PRIMARY KEY REFERENCES data.facility,
    last_id     bigint NOT NULL CHECK (last_id >= 0)
) WITH (fillfactor = 20);
COMMENT ON TABLE  sluice.entry_counter         IS 'One row per facility. Its lock, held to COMMIT, puts the writers of a facility in order.';
COMMENT ON COLUMN sluice.entry_counter.last_id IS 'Highest data.sensor.entry_id of the facility; 0 when it has no row.';

CREATE TABLE sluice.applied_batch (
    id          uuid        PRIMARY KEY,
    facility_id int,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    outcome     bytea
);
CREATE INDEX applied_batch_applied_at ON sluice.applied_batch (applied_at);
COMMENT ON TABLE  sluice.applied_batch             IS 'Batches whose effects are committed: a batch that comes again is answered from here. Kept 30 days.';
COMMENT ON COLUMN sluice.applied_batch.id          IS 'Batch id: 128 random bits given when the batch was sealed.';
COMMENT ON COLUMN sluice.applied_batch.facility_id IS 'Facility of the rows; null for a batch of a handler that stores none in data.sensor.';
COMMENT ON COLUMN sluice.applied_batch.outcome     IS 'Duplicates and bad messages as JSON in UTF-8; null when every message was stored.';

CREATE TABLE sluice.dead_letter (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    facility_id int         NOT NULL,
    batch_id    uuid,
    batch_index int,
    route       text        NOT NULL,
    device      text        NOT NULL,
    topic       text        NOT NULL,
    payload     bytea       NOT NULL,
    received    timestamptz NOT NULL,
    reason      text        NOT NULL,
    code        text        NOT NULL,
    detail      text        NOT NULL,
    at          timestamptz NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dead_letter_message UNIQUE (batch_id, batch_index)
);
CREATE INDEX dead_letter_stored_at ON sluice.dead_letter (stored_at);
COMMENT ON TABLE  sluice.dead_letter             IS 'Messages that can never be handled, with the reason. Kept 30 days.';
COMMENT ON COLUMN sluice.dead_letter.facility_id IS 'data.facility.facility_id.';
COMMENT ON COLUMN sluice.dead_letter.batch_id    IS 'Batch of the message; null when it was refused before it was in a batch.';
COMMENT ON COLUMN sluice.dead_letter.batch_index IS 'Place in the batch, from 0; null as batch_id.';
COMMENT ON COLUMN sluice.dead_letter.route       IS 'Queue that the message belongs to.';
COMMENT ON COLUMN sluice.dead_letter.device      IS 'Who sent it as far as that is known, else empty. From outside: may be anything.';
COMMENT ON COLUMN sluice.dead_letter.topic       IS 'Topic name; characters that text cannot hold are replaced by U+FFFD.';
COMMENT ON COLUMN sluice.dead_letter.payload     IS 'Payload as received.';
COMMENT ON COLUMN sluice.dead_letter.received    IS 'When the router received the message.';
COMMENT ON COLUMN sluice.dead_letter.reason      IS 'Short constant: decode, device_name, conflict, ...';
COMMENT ON COLUMN sluice.dead_letter.code        IS 'SQLSTATE where the database refused it, else empty.';
COMMENT ON COLUMN sluice.dead_letter.detail      IS 'More for a person, else empty.';
COMMENT ON COLUMN sluice.dead_letter.at          IS 'When the router gave the message up.';
COMMENT ON COLUMN sluice.dead_letter.stored_at   IS 'When this row was written, by the clock of the database; 30 days later it is removed.';

CREATE TABLE sluice.route_status (
    facility_id  int         NOT NULL,
    route        text        NOT NULL,
    received     bigint      NOT NULL,
    stored       bigint      NOT NULL,
    duplicate    bigint      NOT NULL,
    dead         bigint      NOT NULL,
    dropped      jsonb       NOT NULL,
    queued       bigint      NOT NULL,
    batches      bigint      NOT NULL,
    bytes        bigint      NOT NULL,
    oldest_age   float8      NOT NULL,
    rate         float8      NOT NULL,
    halted       text        NOT NULL,
    halted_since timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (facility_id, route)
) WITH (fillfactor = 50);
COMMENT ON TABLE  sluice.route_status              IS 'State of each route as its router last saw it (every 2 s). received = stored + duplicate + dead + sum(dropped) + queued.';
COMMENT ON COLUMN sluice.route_status.received     IS 'Messages received since the queue was made.';
COMMENT ON COLUMN sluice.route_status.stored       IS 'Messages stored.';
COMMENT ON COLUMN sluice.route_status.duplicate    IS 'Messages that had been stored before.';
COMMENT ON COLUMN sluice.route_status.dead         IS 'Messages that became dead letters.';
COMMENT ON COLUMN sluice.route_status.dropped      IS 'Messages acknowledged and not stored: an object of cause and count.';
COMMENT ON COLUMN sluice.route_status.queued       IS 'Messages in the queue now.';
COMMENT ON COLUMN sluice.route_status.batches      IS 'Batches sealed, claimed or in retry now.';
COMMENT ON COLUMN sluice.route_status.bytes        IS 'Bytes that the queued messages occupy.';
COMMENT ON COLUMN sluice.route_status.oldest_age   IS 'Age of the oldest queued message in seconds; 0 when the queue is empty.';
COMMENT ON COLUMN sluice.route_status.rate         IS 'Messages received per second over the last interval.';
COMMENT ON COLUMN sluice.route_status.halted       IS 'Why the route is halted; empty when it is not.';
COMMENT ON COLUMN sluice.route_status.halted_since IS 'When it was halted; null when it is not.';
COMMENT ON COLUMN sluice.route_status.updated_at   IS 'When this row was written, by the clock of the database.';

-- A definer's function, so that a role which may not read temp and rh can still
-- tell a reading sent twice from two readings with one key. Each reading costs
-- one look-up in the unique index: LATERAL .. LIMIT 1 leaves no other plan.
-- +goose StatementBegin
CREATE FUNCTION sluice.compare_readings(p_facility_id int, p_device text[], p_epoch bigint[], p_temp real[], p_rh real[])
RETURNS smallint[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(array_agg(v.verdict ORDER BY v.ord), '{}')
    FROM (
        SELECT u.ord,
               CASE WHEN s.facility_id IS NULL THEN 0
                    WHEN s.temp = u.temp AND s.rh = u.rh THEN 1
                    ELSE 2
               END::smallint AS verdict
        FROM unnest(p_device, p_epoch, p_temp, p_rh) WITH ORDINALITY AS u(device, epoch, temp, rh, ord)
        LEFT JOIN LATERAL (
            SELECT r.facility_id, r.temp, r.rh
            FROM data.sensor r
            WHERE r.facility_id = p_facility_id AND r.device = u.device AND r.epoch = u.epoch
            LIMIT 1
        ) s ON true
    ) v
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sluice.compare_readings(int, text[], bigint[], real[], real[]) FROM PUBLIC;
COMMENT ON FUNCTION sluice.compare_readings(int, text[], bigint[], real[], real[]) IS
    'Compares readings with the stored ones of the same facility, device and epoch. Per element: 0 none is stored, 1 the same values, 2 other values.';
