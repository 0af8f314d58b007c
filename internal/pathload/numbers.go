package pathload

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice"
	"sluice/store/postgres"
)

// createNumbers makes the table of the keyless route. It has no key, so that a
// message handled twice is two rows.
const createNumbers = `CREATE TABLE numbers (number bigint NOT NULL, value bigint NOT NULL)`

// Numbers is the handler of the keyless route, as a user would write one.
type Numbers struct{ Pool *pgxpool.Pool }

// Handle implements sluice.Handler.
func (h Numbers) Handle(ctx context.Context, b *sluice.Batch) error {
	rows, bad := decodeNumbers(b)
	return postgres.Once(ctx, h.Pool, b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"numbers"}, []string{"number", "value"}, pgx.CopyFromRows(rows))
		if err != nil || len(bad) == 0 {
			return err
		}
		return &sluice.BatchError{Bad: bad}
	})
}

func decodeNumbers(b *sluice.Batch) (rows [][]any, bad []sluice.BadMessage) {
	for i, m := range b.Messages {
		if len(m.Payload) < 16 {
			bad = append(bad, sluice.BadMessage{
				Index: i, Reason: sluice.ReasonDecode, Detail: fmt.Sprintf("%d bytes, want 16 or more", len(m.Payload)),
			})
			continue
		}
		number, value := binary.BigEndian.Uint64(m.Payload), binary.BigEndian.Uint64(m.Payload[8:])
		rows = append(rows, []any{int64(number), int64(value)})
	}
	return rows, bad
}

// EncodeNumber is a payload of the keyless route. What is behind its 16 bytes is
// ignored.
func EncodeNumber(number, value int64, padding int) []byte {
	p := make([]byte, 16+padding)
	binary.BigEndian.PutUint64(p, uint64(number))
	binary.BigEndian.PutUint64(p[8:], uint64(value))
	return p
}
