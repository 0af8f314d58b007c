package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// LastEntries returns the highest entry id of each facility, by number, 0 for one
// without rows. A facility that no router has registered yet is not in it. Rows
// become visible together with the id that counts them, in the order of their
// ids: whoever reads up to an id that this returned misses none.
func (q *Queries) LastEntries(ctx context.Context) (map[int32]int64, error) {
	rows, _ := q.pool.Query(ctx, "SELECT facility_id, last_id FROM sluice.entry_counter")
	last := map[int32]int64{}
	var id int32
	var entry int64
	_, err := pgx.ForEachRow(rows, []any{&id, &entry}, func() error {
		last[id] = entry
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read entry counters: %w", err)
	}
	return last, nil
}
