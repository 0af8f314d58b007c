package sqlite

// part is the name of these tables in litefile.File.Migrate.
const part = "rows"

// tables are the steps by which the tables came to be. Times are Unix microseconds, 0
// for none; epochs are Unix seconds. The unique key of a reading begins with the epoch:
// one that begins with the device costs five times as much per row as soon as there are
// thousands of devices, because it is written all over. changed is the number of the
// last change of the row (see Queries.Mark).
var tables = []string{`
CREATE TABLE facility (
	facility_id INTEGER PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE,
	last_id     INTEGER NOT NULL
) STRICT;
CREATE TABLE sensor (
	facility_id INTEGER NOT NULL,
	entry_id    INTEGER NOT NULL,
	device      TEXT NOT NULL,
	temp        REAL NOT NULL,
	rh          REAL NOT NULL,
	epoch       INTEGER NOT NULL,
	PRIMARY KEY (facility_id, entry_id)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX sensor_reading ON sensor (epoch, device, facility_id);
CREATE TABLE applied_batch (
	id         BLOB NOT NULL PRIMARY KEY,
	applied_at INTEGER NOT NULL,
	outcome    BLOB
) WITHOUT ROWID, STRICT;
CREATE INDEX applied_batch_at ON applied_batch (applied_at);
CREATE TABLE dead_letter (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	facility_id INTEGER NOT NULL,
	batch_id    BLOB,
	batch_index INTEGER,
	route       TEXT NOT NULL,
	device      TEXT NOT NULL,
	topic       TEXT NOT NULL,
	payload     BLOB NOT NULL,
	received    INTEGER NOT NULL,
	reason      TEXT NOT NULL,
	code        TEXT NOT NULL,
	detail      TEXT NOT NULL,
	at          INTEGER NOT NULL,
	stored_at   INTEGER NOT NULL,
	UNIQUE (batch_id, batch_index)
) STRICT;
CREATE INDEX dead_letter_at ON dead_letter (stored_at);
CREATE TABLE change (number INTEGER NOT NULL) STRICT;
INSERT INTO change VALUES (0);
CREATE TABLE device (
	facility_id  INTEGER NOT NULL,
	device       TEXT NOT NULL,
	state        TEXT NOT NULL,
	generation   INTEGER NOT NULL,
	connected_at INTEGER NOT NULL,
	seen_at      INTEGER NOT NULL,
	lost_at      INTEGER NOT NULL,
	down_at      INTEGER NOT NULL,
	cause        TEXT NOT NULL,
	flapping     INTEGER NOT NULL,
	muted_until  INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	changed      INTEGER NOT NULL,
	PRIMARY KEY (facility_id, device)
) WITHOUT ROWID, STRICT;
CREATE TABLE outage (
	facility_id INTEGER NOT NULL,
	device      TEXT NOT NULL,
	down_at     INTEGER NOT NULL,
	up_at       INTEGER NOT NULL,
	lost_at     INTEGER NOT NULL,
	cause       TEXT NOT NULL,
	recovery    TEXT NOT NULL,
	muted       INTEGER NOT NULL,
	flap        TEXT NOT NULL,
	report_ids  TEXT NOT NULL DEFAULT '[]',
	changed     INTEGER NOT NULL,
	PRIMARY KEY (facility_id, device, down_at)
) WITHOUT ROWID, STRICT;
CREATE INDEX outage_latest ON outage (facility_id, down_at DESC, device);
CREATE TABLE broker_restart (
	facility_id INTEGER NOT NULL,
	at          INTEGER NOT NULL,
	started_at  INTEGER NOT NULL,
	PRIMARY KEY (facility_id, at)
) WITHOUT ROWID, STRICT;
CREATE TABLE route_status (
	facility_id  INTEGER NOT NULL,
	route        TEXT NOT NULL,
	received     INTEGER NOT NULL,
	stored       INTEGER NOT NULL,
	duplicate    INTEGER NOT NULL,
	dead         INTEGER NOT NULL,
	dropped      TEXT NOT NULL,
	queued       INTEGER NOT NULL,
	batches      INTEGER NOT NULL,
	bytes        INTEGER NOT NULL,
	oldest_age   REAL NOT NULL,
	rate         REAL NOT NULL,
	halted       TEXT NOT NULL,
	halted_since INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	changed      INTEGER NOT NULL,
	PRIMARY KEY (facility_id, route)
) WITHOUT ROWID, STRICT`}
