package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// versionTable is where goose records which migrations were applied.
	versionTable = "sluice.goose_db_version"
	// migrateLock is the advisory lock that migrations of one database wait for:
	// "sluice" in ASCII.
	migrateLock = 0x736c75696365
)

// Errors of CheckVersion. Compare with errors.Is.
var (
	// ErrSchemaOlder: the database lacks migrations that this program needs.
	ErrSchemaOlder = errors.New("database schema is too old")
	// ErrSchemaNewer: a newer program has migrated the database.
	ErrSchemaNewer = errors.New("database schema is too new")
)

// Migrate brings the database at url to the schema of this program and returns
// the versions before and after. It changes nothing when the schema is current,
// and waits while another migration of the same database runs. A migration that
// fails leaves its version out entirely. ErrSchemaNewer when a newer program has
// migrated the database already.
func Migrate(ctx context.Context, url string) (from, to int64, err error) {
	pool, err := NewPool(ctx, url)
	if err != nil {
		return 0, 0, err
	}
	defer pool.Close()
	// A session of its own, outside the pool: the lock lives as long as it does.
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return 0, 0, fmt.Errorf("migrate: lock: %w", err)
	}
	if err := prepareDatabase(ctx, conn); err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	return migrateUp(ctx, db)
}

// prepareDatabase refuses an encoding that cannot hold every device's text and
// makes the schema that holds goose's own table.
func prepareDatabase(ctx context.Context, conn *pgx.Conn) error {
	var encoding string
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_encoding')").Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database is encoded in %s; create it with ENCODING 'UTF8'", encoding)
	}
	_, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS sluice")
	return err
}

func migrateUp(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	from, to, err = p.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	if from > to {
		return from, from, compareVersion(from, to)
	}
	if _, err := p.Up(ctx); err != nil {
		return from, from, fmt.Errorf("migrate: %w", err)
	}
	return from, to, nil
}

// Target is the schema version that this program needs: the number of its last
// migration.
func Target() int64 {
	files, err := migrations.ReadDir("migrations") // sorted by name
	if err != nil || len(files) == 0 {
		panic("postgres: no migrations embedded") //nolint:forbidigo // a defect of this program
	}
	v, err := goose.NumericComponent(files[len(files)-1].Name())
	if err != nil {
		panic(err) //nolint:forbidigo // a defect of this program
	}
	return v
}

// Version returns the schema version of the database, 0 when it was never
// migrated.
func Version(ctx context.Context, pool *pgxpool.Pool) (v int64, err error) {
	var exists bool
	err = pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", versionTable).Scan(&exists)
	if err == nil && exists {
		err = pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versionTable+" WHERE is_applied").Scan(&v)
	}
	if err != nil {
		return 0, fmt.Errorf("schema version: %w", err)
	}
	return v, nil
}

// CheckVersion returns nil when the database has exactly the schema of this
// program, else an error that says what to do: ErrSchemaOlder, ErrSchemaNewer,
// or the failure to find out.
func CheckVersion(ctx context.Context, pool *pgxpool.Pool) error {
	v, err := Version(ctx, pool)
	if err != nil {
		return err
	}
	return compareVersion(v, Target())
}

func compareVersion(have, want int64) error {
	switch {
	case have < want:
		return fmt.Errorf("%w: it is at version %d, this program needs %d; run `sluice db migrate`", ErrSchemaOlder, have, want)
	case have > want:
		return fmt.Errorf("%w: it is at version %d, this program knows %d; update this program to the release whose `sluice db migrate` was run", ErrSchemaNewer, have, want)
	}
	return nil
}
