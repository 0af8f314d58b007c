-- The rows that people query: facilities and their readings.

-- +goose Up
CREATE SCHEMA IF NOT EXISTS data;

CREATE TABLE data.facility (
    facility_id int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text COLLATE "C" NOT NULL,
    CONSTRAINT facility_name UNIQUE (name)
);
COMMENT ON TABLE  data.facility             IS 'One site: one broker, one queue, one or more batch-routers.';
COMMENT ON COLUMN data.facility.facility_id IS 'Number of the facility, from 1. Given when its router first starts.';
COMMENT ON COLUMN data.facility.name        IS 'Name as in the configuration: ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$.';

-- No foreign key on facility_id: it would cost a trigger call for each row. The
-- router checks its facility once, when it starts.
CREATE TABLE data.sensor (
    entry_id    bigint      NOT NULL,
    facility_id int         NOT NULL,
    device      varchar(64) COLLATE "C" NOT NULL,
    temp        real        NOT NULL,
    rh          real        NOT NULL,
    epoch       bigint      NOT NULL,
    CONSTRAINT sensor_pkey PRIMARY KEY (facility_id, entry_id),
    CONSTRAINT sensor_reading UNIQUE (facility_id, device, epoch)
);
CREATE INDEX sensor_epoch ON data.sensor USING brin (epoch);
COMMENT ON TABLE  data.sensor             IS 'One row per reading of a device. Rows are only ever added.';
COMMENT ON COLUMN data.sensor.entry_id    IS 'Number of the row within its facility, from 1, without gaps, in the order of commit.';
COMMENT ON COLUMN data.sensor.facility_id IS 'data.facility.facility_id.';
COMMENT ON COLUMN data.sensor.device      IS 'Name of the device: ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$.';
COMMENT ON COLUMN data.sensor.temp        IS 'Temperature in degrees Celsius, finite.';
COMMENT ON COLUMN data.sensor.rh          IS 'Relative humidity in percent, finite.';
COMMENT ON COLUMN data.sensor.epoch       IS 'When the reading was taken: Unix time in seconds, from 2000-01-01 to one day after the router received it.';
