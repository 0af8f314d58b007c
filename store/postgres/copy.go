package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice/store"
)

const copySensor = "COPY data.sensor (facility_id, entry_id, device, temp, rh, epoch) FROM STDIN BINARY"

// A row of data.sensor in the stream: the count of its fields, then each as its
// length and its value. What is before and behind the device's name has always
// the same length, with the values at these places.
const (
	headSize     = 2 + (4 + 4) + (4 + 8) + 4
	headFacility = 6
	headEntry    = 14
	headDevice   = 22 // the name's length
	tailSize     = (4 + 4) + (4 + 4) + (4 + 8)
	tailTemp     = 4
	tailRH       = 12
	tailEpoch    = 20
)

// appendCopy appends rows as a whole stream of COPY .. BINARY
// [postgresql.org/docs/current/sql-copy.html], with entry ids from first on.
func appendCopy(dst []byte, facility int32, first int64, rows []store.Row) []byte {
	be := binary.BigEndian
	head := [headSize]byte{1: 6, headFacility - 1: 4, headEntry - 1: 8}
	tail := [tailSize]byte{tailTemp - 1: 4, tailRH - 1: 4, tailEpoch - 1: 8}
	be.PutUint32(head[headFacility:], uint32(facility))
	dst = append(dst, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for i := range rows {
		r := &rows[i]
		be.PutUint64(head[headEntry:], uint64(first+int64(i)))
		be.PutUint32(head[headDevice:], uint32(len(r.Device)))
		be.PutUint32(tail[tailTemp:], math.Float32bits(r.Temp))
		be.PutUint32(tail[tailRH:], math.Float32bits(r.RH))
		be.PutUint64(tail[tailEpoch:], uint64(r.Epoch))
		dst = append(dst, head[:]...)
		dst = append(dst, r.Device...)
		dst = append(dst, tail[:]...)
	}
	return be.AppendUint16(dst, 0xffff) // the end: -1 fields
}

// runCopy sends sql, in which exactly one statement is a COPY FROM STDIN, with
// its data, and returns the tag of the last statement. All go in one query
// message: a statement after the COPY costs no round trip, and does not run when
// the COPY fails. After an error data must not be written to again: when the connection
// breaks, a goroutine of pgconn may go on reading it.
func runCopy(ctx context.Context, conn *pgx.Conn, sql string, data []byte) (pgconn.CommandTag, error) {
	return conn.PgConn().CopyFrom(ctx, bytes.NewReader(data), sql)
}
