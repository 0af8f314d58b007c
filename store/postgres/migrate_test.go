package postgres

import (
	"errors"
	"strings"
	"testing"

	"sluice/internal/testenv"
)

func TestMigrate_FromEmptyAndAgain(t *testing.T) {
	t.Parallel()
	url := testenv.Database(t)
	pool := newPool(t, url)
	err := CheckVersion(t.Context(), pool)
	if !errors.Is(err, ErrSchemaOlder) || !strings.Contains(err.Error(), "sluice db migrate") {
		t.Errorf("empty database: got %v, want ErrSchemaOlder with the command", err)
	}
	for _, want := range []int64{0, Target()} {
		from, to, err := Migrate(t.Context(), url)
		if err != nil || from != want || to != Target() {
			t.Errorf("got %d to %d (%v), want %d to %d", from, to, err, want, Target())
		}
	}
	if err := CheckVersion(t.Context(), pool); err != nil {
		t.Error(err)
	}
	if where := query[string](t, pool, "SELECT string_agg(schemaname || '.' || tablename, ' ') FROM pg_tables WHERE tablename = 'goose_db_version'"); where != versionTable {
		t.Errorf("goose's table is %s, want %s", where, versionTable)
	}
}

func TestMigrate_SeveralAtOnce(t *testing.T) {
	t.Parallel()
	url := testenv.Database(t) + "&pool_max_conns=1"
	done := make(chan error)
	for range 4 {
		go func() {
			_, _, err := Migrate(t.Context(), url)
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if v, err := Version(t.Context(), newPool(t, url)); v != Target() || err != nil {
		t.Errorf("got version %d (%v), want %d", v, err, Target())
	}
}

func TestMigrate_NewerSchemaIsLeftAlone(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "INSERT INTO "+versionTable+" (version_id, is_applied) VALUES (999, true)")
	err := CheckVersion(t.Context(), pool)
	if !errors.Is(err, ErrSchemaNewer) || !strings.Contains(err.Error(), "sluice db migrate") || !strings.Contains(err.Error(), "999") {
		t.Errorf("got %v, want ErrSchemaNewer", err)
	}
	if _, _, err := Migrate(t.Context(), pool.Config().ConnString()); !errors.Is(err, ErrSchemaNewer) {
		t.Errorf("Migrate: got %v, want ErrSchemaNewer", err)
	}
}

func TestMigrate_RefusesAnotherEncoding(t *testing.T) {
	t.Parallel()
	pool := newPool(t, testenv.Database(t))
	exec(t, pool, "CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
	_, _, err := Migrate(t.Context(), strings.Replace(pool.Config().ConnString(), pool.Config().ConnConfig.Database, "latin", 1))
	if err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("got %v, want it to ask for UTF8", err)
	}
}

func TestCheckVersion_ServerUnreachable(t *testing.T) {
	t.Parallel()
	err := CheckVersion(t.Context(), newPool(t, "postgres://u:secret@127.0.0.1:1/x"))
	if err == nil || errors.Is(err, ErrSchemaOlder) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want a failure to connect, without the password", err)
	}
}

// The columns' comments are part of the schema: units and ranges.
func TestMigrate_EveryColumnOfDataHasAComment(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	bare := query[*string](t, pool, `
		SELECT string_agg(c.table_name || '.' || c.column_name, ' ') FROM information_schema.columns c
		WHERE c.table_schema = 'data' AND col_description(to_regclass(format('data.%I', c.table_name)), c.ordinal_position) IS NULL`)
	if bare != nil {
		t.Errorf("columns without a comment: %s", *bare)
	}
}
