package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"sluice"
)

// class is what an error of the database calls for.
type class int

const (
	// transient: try again for ever. Also every error whose outcome is unknown.
	transient class = iota
	// data: the row itself is refused; find it and make it a dead letter.
	data
	// operator: someone has to mend the database; no message may be lost for it.
	operator
	// unknown: try again a few times, then call the operator.
	unknown
)

// unknownAttempts is how often a batch with an error of class unknown is tried
// before its route is halted.
const unknownAttempts = 5

// stateClass maps a SQLSTATE to what it calls for: first by the whole code, then
// by its class, the first two characters.
// [postgresql.org/docs/current/errcodes-appendix.html]
func stateClass(code string) class {
	switch code {
	case "40001", // serialization_failure
		"40P01", // deadlock_detected
		"55P03", // lock_not_available
		"25006": // read_only_sql_transaction: a standby, or a failover under way
		return transient
	case "23502", // not_null_violation
		"23514", // check_violation
		"23505": // unique_violation
		return data
	case "23503", // foreign_key_violation
		"22P03", // invalid_binary_representation: a column has another type than the
		"22P04": // bad_copy_file_format            schema gives it; no row is at fault
		return operator
	}
	if len(code) != 5 {
		return unknown
	}
	switch code[:2] {
	case "08", // connection exception
		"53", // insufficient resources
		"57", // operator intervention: shutdown, cancel
		"58", // system error
		"XX": // internal error
		return transient
	case "22": // data exception
		return data
	case "28", // invalid authorization
		"3D", // invalid catalog name
		"3F", // invalid schema name
		"42", // syntax error or access rule violation
		"0A": // feature not supported
		return operator
	}
	return unknown
}

// classify returns what err calls for, and the database's own error if it is
// one.
func classify(err error) (class, *pgconn.PgError) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return transient, nil // network, deadline: the outcome is unknown
	}
	ended := pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC"
	c := stateClass(pg.Code)
	switch {
	case pg.Code == "23505" && pg.ConstraintName == entryConstraint:
		return operator, pg
	case pg.Code == protocolViolation && !ended:
		return operator, pg // COPY, like 22P03: a column is wider than the schema gives it
	case c == unknown && ended:
		return transient, pg
	}
	return c, pg
}

// Failure turns an error of the database into what a handler returns for the
// batch at this attempt, from 1: a sluice.Halt where an operator must act, else an
// error that is tried again. A data error that could not be laid to a row counts
// as unknown. nil stays nil.
func Failure(attempt int, err error) error {
	c, pg := classify(err)
	switch {
	case err == nil, c == transient:
		return err
	case c == operator:
		return sluice.Halt(fmt.Errorf("%w%s", err, remedy(pg)))
	case attempt >= unknownAttempts:
		return sluice.Halt(fmt.Errorf("%w (after %d attempts)", err, attempt))
	}
	return err
}

const protocolViolation = "08P01"

// Unique constraints of data.sensor.
const (
	readingConstraint = "sensor_reading"
	entryConstraint   = "sensor_pkey"
)

// remedy tells the operator what to do where the error alone does not.
func remedy(pg *pgconn.PgError) string {
	switch pg.Code {
	case "42P01", "42703", "42883", "3F000":
		return "; run `sluice db migrate`"
	case "42501":
		return "; grant it to the role in the database url"
	case "28P01", "28000":
		return "; check user and password in the database url"
	case "22P03", "22P04", protocolViolation:
		return "; give the columns of data.sensor their types back"
	case "23505":
		return "; sluice.entry_counter is behind the rows of data.sensor: set the facility's last_id to its max(entry_id)"
	}
	return ""
}
