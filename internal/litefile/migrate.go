package litefile

import (
	"context"
	"fmt"

	"github.com/ncruces/go-sqlite3"
)

// Migrate brings the tables of a part of the program up to date: it runs those of the
// steps that were not run on this file yet, each once, in order, in one transaction.
// A step is SQL. A file that has had more steps is of a newer version of the program
// and refused.
func (f *File) Migrate(ctx context.Context, c *sqlite3.Conn, part string, steps []string) error {
	return f.Drain(ctx, c, func() error {
		done, err := number(c, fmt.Sprintf(`SELECT version FROM schema WHERE part = %s`, sqlite3.Quote(part)))
		if err != nil {
			return err
		}
		if done > int64(len(steps)) {
			return &newerError{part, done, len(steps)}
		}
		for i, step := range steps[done:] {
			if err := c.Exec(step); err != nil {
				return fmt.Errorf("step %d of the tables of %s: %w", int(done)+i+1, part, err)
			}
		}
		return c.Exec(fmt.Sprintf(`INSERT INTO schema VALUES (%s, %d) ON CONFLICT DO UPDATE SET version = excluded.version`,
			sqlite3.Quote(part), len(steps)))
	})
}
