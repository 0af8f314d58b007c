-- Run once, for example: psql "$URL" -f door.sql
CREATE TABLE IF NOT EXISTS door_event (
    door     text        NOT NULL,
    open     boolean     NOT NULL,
    received timestamptz NOT NULL
);
COMMENT ON TABLE  door_event          IS 'One row per message of a door.';
COMMENT ON COLUMN door_event.door     IS 'Name of the door: the last level of the topic.';
COMMENT ON COLUMN door_event.open     IS 'Whether it is open from now on.';
COMMENT ON COLUMN door_event.received IS 'When the router received the message.';
