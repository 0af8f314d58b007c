package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const copySensor = "COPY data.sensor (facility_id, entry_id, device, temp, rh, epoch) FROM STDIN BINARY"

// copySize is what a row of data.sensor occupies in the stream beside its
// device's name: the count of fields, six lengths, five values.
const copySize = 2 + 6*4 + 4 + 8 + 4 + 4 + 8

// appendCopy appends rows as a whole stream of COPY .. BINARY
// [postgresql.org/docs/current/sql-copy.html], with entry ids from first on.
func appendCopy(dst []byte, facility int32, first int64, rows []row) []byte {
	be := binary.BigEndian
	dst = append(dst, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for i := range rows {
		r := &rows[i]
		dst = be.AppendUint16(dst, 6)
		dst = be.AppendUint32(dst, 4)
		dst = be.AppendUint32(dst, uint32(facility))
		dst = be.AppendUint32(dst, 8)
		dst = be.AppendUint64(dst, uint64(first+int64(i)))
		dst = be.AppendUint32(dst, uint32(len(r.device)))
		dst = append(dst, r.device...)
		dst = be.AppendUint32(dst, 4)
		dst = be.AppendUint32(dst, math.Float32bits(r.temp))
		dst = be.AppendUint32(dst, 4)
		dst = be.AppendUint32(dst, math.Float32bits(r.rh))
		dst = be.AppendUint32(dst, 8)
		dst = be.AppendUint64(dst, uint64(r.epoch))
	}
	return be.AppendUint16(dst, 0xffff)
}

// runCopy sends sql, in which exactly one statement is a COPY FROM STDIN, with
// its data, and returns the tag of the last statement. All go in one query
// message: a statement after the COPY costs no round trip, and does not run when
// the COPY fails.
func runCopy(ctx context.Context, conn *pgx.Conn, sql string, data []byte) (pgconn.CommandTag, error) {
	return conn.PgConn().CopyFrom(ctx, bytes.NewReader(data), sql)
}
