package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"sluice/store/storetest"
)

func TestOnce_ErrorsOfTheDatabase(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	exec(t, pool, "CREATE TABLE door (opened int NOT NULL)")
	for _, tc := range []struct {
		name, sql string
		attempt   int
		halt      bool
	}{
		{"table missing", "INSERT INTO window_ VALUES (1)", 1, true},
		{"data", "INSERT INTO door VALUES (NULL)", 1, false},
		{"data, fifth attempt", "INSERT INTO door VALUES (NULL)", 5, true},
	} {
		b := storetest.Batch([]byte("1"))
		b.Attempt = tc.attempt
		err := Once(t.Context(), pool, b, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, tc.sql)
			return err
		})
		if err == nil || storetest.IsHalt(err) != tc.halt {
			t.Errorf("%s: got %v, want halt %t", tc.name, err, tc.halt)
		}
	}
}
