package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// table is where the rows of a run appear. All methods but prepare are called
// after it; they only read.
type table interface {
	// prepare looks at the table before the first message.
	prepare(ctx context.Context) error
	// visible returns cheaply how many rows have appeared since prepare; rows that
	// are not the run's may be among them.
	visible(ctx context.Context) (int64, error)
	// count returns how many messages of the run have a row. It reads them all.
	count(ctx context.Context) (int64, error)
	// each calls yield for every row of the run, in the order of their ids.
	each(ctx context.Context, yield func(row)) error
}

// row is one row of a run.
type row struct {
	// index of the message, or -1 when it is none of the run's.
	index int
	// id grows in the order of commit; 0 in a table without.
	id    int64
	wrong bool // other values than were sent
}

// database is the connection to PostgreSQL. Safe for concurrent use.
type database struct {
	pool *pgxpool.Pool

	mu   sync.Mutex // guards pids
	pids []int
}

// openDatabase connects. The pool replaces connections that break, so a database
// may be restarted during a run.
func openDatabase(ctx context.Context, dsn string) (*database, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	db := &database{}
	cfg.MaxConns = 2
	cfg.ConnConfig.RuntimeParams["application_name"] = "sluice-bench"
	cfg.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	cfg.AfterConnect = db.noteSession
	db.pool, err = pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := db.pool.Ping(ctx); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("database: %w", err)
	}
	return db, nil
}

func (db *database) noteSession(_ context.Context, conn *pgx.Conn) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.pids = append(db.pids, int(conn.PgConn().PID()))
	return nil
}

// sessions returns the server's process ids of our own sessions.
func (db *database) sessions() []int {
	if db == nil {
		return nil
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	return append([]int(nil), db.pids...)
}

// sensorTable is data.sensor.
type sensorTable struct {
	db       *database
	plan     *plan
	facility string

	facilityID int32
	before     int64 // highest entry_id before the run
}

func (t *sensorTable) prepare(ctx context.Context) error {
	err := t.db.pool.QueryRow(ctx, `SELECT facility_id FROM data.facility WHERE name = $1`, t.facility).Scan(&t.facilityID)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("facility %q is not in the database; start its router first", t.facility)
	}
	if err != nil {
		return fmt.Errorf("facility %q: %w", t.facility, err)
	}
	if t.before, err = t.counter(ctx); err != nil {
		return err
	}
	return t.findRoom(ctx)
}

// findRoom changes the plan's base until its epochs are free for all devices.
func (t *sensorTable) findRoom(ctx context.Context) error {
	names := make([]string, t.plan.devices)
	for d := range names {
		names[d] = deviceName(d)
	}
	for range 20 {
		var taken bool
		err := t.db.pool.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM unnest($2::text[]) AS d(device) CROSS JOIN LATERAL (
				SELECT FROM data.sensor s
				WHERE s.facility_id = $1 AND s.device = d.device AND s.epoch >= $3 AND s.epoch < $4
				LIMIT 1) taken)`,
			t.facilityID, names, t.plan.base, t.plan.base+int64(t.plan.stride)).Scan(&taken)
		if err != nil {
			return fmt.Errorf("look for free epochs: %w", err)
		}
		if !taken {
			return nil
		}
		if t.plan.fixed {
			return fmt.Errorf("base epoch %d: there are rows of a device at that time or after; choose another", t.plan.base)
		}
		t.plan.pickBase()
	}
	return errors.New("no free epochs: the facility is full of rows of earlier runs; delete those of devices bench-*")
}

// counter returns the facility's highest entry_id.
func (t *sensorTable) counter(ctx context.Context) (id int64, err error) {
	err = t.db.pool.QueryRow(ctx, `SELECT last_id FROM sluice.entry_counter WHERE facility_id = $1`, t.facilityID).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

func (t *sensorTable) visible(ctx context.Context) (int64, error) {
	id, err := t.counter(ctx)
	return id - t.before, err
}

// sensorRows selects the rows of the run by the primary key and what they are.
const sensorRows = ` FROM data.sensor
	WHERE facility_id = $1 AND entry_id > $2 AND epoch >= $3 AND epoch < $4 AND device LIKE '` + devicePrefix + `%'`

func (t *sensorTable) args() []any {
	return []any{t.facilityID, t.before, t.plan.base, t.plan.base + int64(t.plan.stride)}
}

func (t *sensorTable) count(ctx context.Context) (n int64, err error) {
	err = t.db.pool.QueryRow(ctx, `SELECT count(*)`+sensorRows, t.args()...).Scan(&n)
	return n, err
}

func (t *sensorTable) each(ctx context.Context, yield func(row)) error {
	rows, err := t.db.pool.Query(ctx, `SELECT entry_id, device, epoch, temp, rh`+sensorRows+` ORDER BY entry_id`, t.args()...)
	if err != nil {
		return err
	}
	var (
		id, epoch int64
		device    string
		temp, rh  float32
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &device, &epoch, &temp, &rh}, func() error {
		index, ok := t.plan.index(device, epoch)
		if !ok {
			return nil // another program's device of a similar name
		}
		wantTemp, wantRH := values(index/t.plan.stride, epoch)
		yield(row{index: index, id: id, wrong: temp != wantTemp || rh != wantRH})
		return nil
	})
	return err
}

// keylessTable is the table that Counter writes.
type keylessTable struct {
	db   *database
	plan *plan
}

// prepare does nothing: the run's number is new, and the table may not be there
// before Counter has seen its first batch.
func (t *keylessTable) prepare(context.Context) error { return nil }

func (t *keylessTable) visible(ctx context.Context) (int64, error) {
	return t.number(ctx, `SELECT count(*) FROM bench.keyless WHERE run = $1`)
}

func (t *keylessTable) count(ctx context.Context) (int64, error) {
	return t.number(ctx, `SELECT count(DISTINCT number) FROM bench.keyless WHERE run = $1`)
}

func (t *keylessTable) number(ctx context.Context, sql string) (n int64, err error) {
	err = t.db.pool.QueryRow(ctx, sql, int64(t.plan.run)).Scan(&n)
	if missingTable(err) {
		return 0, nil
	}
	return n, err
}

func (t *keylessTable) each(ctx context.Context, yield func(row)) error {
	rows, err := t.db.pool.Query(ctx, `SELECT number FROM bench.keyless WHERE run = $1`, int64(t.plan.run))
	if err != nil {
		return err
	}
	var number int64
	_, err = pgx.ForEachRow(rows, []any{&number}, func() error {
		index := int(number)
		if !t.plan.valid(index) {
			index = -1
		}
		yield(row{index: index, wrong: index < 0})
		return nil
	})
	if missingTable(err) {
		return nil
	}
	return err
}

// missingTable tells whether a query failed because Counter has not made its
// table yet.
func missingTable(err error) bool {
	var failure *pgconn.PgError
	return errors.As(err, &failure) && (failure.Code == "42P01" || failure.Code == "3F000")
}
