package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"sluice"
	"sluice/store"
)

// insert stores rows (at least one) by COPY. When the database refuses the data
// of some, it halves until it has found them: those become bad messages, refused
// is called for each, and all others are stored, with no gap in their entry ids.
func (c *careful) insert(ctx context.Context, rows []store.Row, refused func(store.Row)) error {
	err := c.copy(ctx, rows)
	if err == nil {
		c.last += int64(len(rows))
		return nil
	}
	why, pg := classify(err)
	switch {
	case why != data, pg.ConstraintName == readingConstraint: // a writer that takes no lock
		return err
	case len(rows) == 1:
		c.bad = append(c.bad, refusedBy(pg, rows[0]))
		refused(rows[0])
		return nil
	}
	half := len(rows) / 2
	if err := c.insert(ctx, rows[:half], refused); err != nil {
		return err
	}
	return c.insert(ctx, rows[half:], refused)
}

func refusedBy(pg *pgconn.PgError, r store.Row) sluice.BadMessage {
	return sluice.BadMessage{
		Index: r.Index, Reason: sluice.ReasonData, Device: string(r.Device),
		Code: pg.Code, Detail: store.Text(pg.Message),
	}
}

// copy stores rows inside a savepoint: it leaves the transaction as it was when
// it fails. One round trip, because the way back from a failure goes with the
// next statement.
func (c *careful) copy(ctx context.Context, rows []store.Row) error {
	ctx, cancel := context.WithTimeout(ctx, c.sink.timeout)
	defer cancel()
	sql := "SAVEPOINT rows; "
	if c.saved {
		sql = "ROLLBACK TO SAVEPOINT rows; "
	}
	c.stream = appendCopy(c.stream[:0], c.sink.facility, c.last+1, rows)
	_, err := runCopy(ctx, c.conn, sql+copySensor+"; RELEASE SAVEPOINT rows", c.stream)
	if err != nil {
		c.stream = nil // see runCopy
	}
	c.saved = err != nil
	return err
}
