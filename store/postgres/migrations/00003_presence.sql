-- What is known of devices, and the history of their outages.

-- +goose Up
-- No foreign keys to data.facility, as in 00001: the router has checked its
-- facility, and a trigger call for each row would cost more than the row.
--
-- Every row is updated again and again, half a page is kept free for it: no
-- index but the key, so that an update touches none (HOT).
CREATE TABLE data.device (
    facility_id  int         NOT NULL,
    device       varchar(64) COLLATE "C" NOT NULL,
    state        text        NOT NULL,
    generation   bigint      NOT NULL,
    connected_at timestamptz,
    seen_at      timestamptz,
    lost_at      timestamptz,
    down_at      timestamptz,
    cause        text        NOT NULL,
    flapping     boolean     NOT NULL,
    muted_until  timestamptz,
    version      bigint      NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT device_pkey PRIMARY KEY (facility_id, device),
    CONSTRAINT device_state CHECK (state IN ('up', 'suspect', 'down'))
) WITH (fillfactor = 50);
COMMENT ON TABLE  data.device              IS 'One row per known device, as its facility last told. Times are by the clock of the facility''s store, in microseconds.';
COMMENT ON COLUMN data.device.facility_id  IS 'data.facility.facility_id.';
COMMENT ON COLUMN data.device.device       IS 'Name of the device: ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$.';
COMMENT ON COLUMN data.device.state        IS 'up; suspect: its last will was seen and the delay of the will is running; down.';
COMMENT ON COLUMN data.device.generation   IS 'How many times it has connected, from 0.';
COMMENT ON COLUMN data.device.connected_at IS 'When it last connected; null for never.';
COMMENT ON COLUMN data.device.seen_at      IS 'When a message of it was last seen, in steps of at most 30 s; null for never.';
COMMENT ON COLUMN data.device.lost_at      IS 'Suspect, down: since when nothing was heard of it. Null when it is up.';
COMMENT ON COLUMN data.device.down_at      IS 'When its last outage began: with the name the key of data.outage. Null when it had none.';
COMMENT ON COLUMN data.device.cause        IS 'Why that outage began: lwt, silent or grace as in data.outage; empty when it had none or that is not known.';
COMMENT ON COLUMN data.device.flapping     IS 'More than three outages within ten minutes, until there was none for ten minutes.';
COMMENT ON COLUMN data.device.muted_until  IS 'Until when an operator wants no reports of it; null when it was never muted, or no more.';
COMMENT ON COLUMN data.device.version      IS 'Orders the states of a device: of two the higher is the newer. Microseconds of a clock that never jumps.';
COMMENT ON COLUMN data.device.updated_at   IS 'When this row was written, by the clock of the database.';

-- Two indexes beside the key: the latest outages of a facility, and those that
-- last. The first has the device too, so that a page of a list may begin after
-- any outage, also where many began in one microsecond.
CREATE TABLE data.outage (
    facility_id int         NOT NULL,
    device      varchar(64) COLLATE "C" NOT NULL,
    down_at     timestamptz NOT NULL,
    up_at       timestamptz,
    lost_at     timestamptz,
    cause       text        NOT NULL,
    recovery    text        NOT NULL DEFAULT '',
    muted       boolean     NOT NULL,
    flap        text        NOT NULL,
    report_ids  text[]      NOT NULL DEFAULT '{}',
    CONSTRAINT outage_pkey PRIMARY KEY (facility_id, device, down_at),
    CONSTRAINT outage_over CHECK ((up_at IS NULL) = (recovery = ''))
) WITH (fillfactor = 90);
CREATE INDEX outage_latest ON data.outage (facility_id, down_at DESC, device);
CREATE INDEX outage_open ON data.outage (facility_id, device) WHERE up_at IS NULL;
COMMENT ON TABLE  data.outage             IS 'One row per outage of a device, kept for good. Times are by the clock of the facility''s store, in microseconds.';
COMMENT ON COLUMN data.outage.facility_id IS 'data.facility.facility_id.';
COMMENT ON COLUMN data.outage.device      IS 'Name of the device: ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$.';
COMMENT ON COLUMN data.outage.down_at     IS 'When it began: when the deadline of the device passed.';
COMMENT ON COLUMN data.outage.up_at       IS 'When it ended; null while it lasts.';
COMMENT ON COLUMN data.outage.lost_at     IS 'Since when nothing was heard of the device; null when that is not known.';
COMMENT ON COLUMN data.outage.cause       IS 'lwt: the delay of its last will passed. silent: nothing came for the time that its route allows. grace: it did not come back after a restart of the broker. Empty: not known, only the end was told.';
COMMENT ON COLUMN data.outage.recovery    IS 'How it ended. connect: the device connected. data: a message of it came. forgotten: an operator had the device forgotten. lost: nobody told, and up_at is when its next outage began. unknown: in a way that this version has no word for. Empty while it lasts.';
COMMENT ON COLUMN data.outage.muted       IS 'No report was wanted: the device was muted.';
COMMENT ON COLUMN data.outage.flap        IS 'began: with this outage the device began to flap. goes_on: it had been flapping. Empty: neither.';
COMMENT ON COLUMN data.outage.report_ids  IS 'Reports of it that were accepted, in that order: name of the receiver, colon, id of the report.';

CREATE TABLE data.broker_restart (
    facility_id int         NOT NULL,
    at          timestamptz NOT NULL,
    started_at  timestamptz,
    CONSTRAINT broker_restart_pkey PRIMARY KEY (facility_id, at)
);
COMMENT ON TABLE  data.broker_restart             IS 'One row per restart of a facility''s broker that its router noticed, kept for good.';
COMMENT ON COLUMN data.broker_restart.facility_id IS 'data.facility.facility_id.';
COMMENT ON COLUMN data.broker_restart.at          IS 'When the router noticed, by the clock of the facility''s store, in microseconds.';
COMMENT ON COLUMN data.broker_restart.started_at  IS 'When the broker was started, as its uptime told; null when it did not. By the same clock.';
