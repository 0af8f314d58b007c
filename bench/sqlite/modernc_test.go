package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/sqlite" // its driver registers as "sqlite"
	lib "modernc.org/sqlite/lib"
	"modernc.org/sqlite/vtab"
)

// modernc is a connection through the translated C functions: what database/sql and
// the driver add is left out.
type modernc struct {
	b   *testing.B
	tls *libc.TLS
	db  uintptr
}

// fdatasync makes SQLite commit as it does in C and in the other driver. Default here
// is fsync, which costs twice the time.
func fdatasync(b *testing.B) {
	_, err := sqlite.Fdatasync(true)
	must(b, err)
}

func openModernc(b *testing.B, pageSize int, exclusive bool, schema string) *modernc {
	fdatasync(b)
	m := &modernc{b: b, tls: libc.NewTLS()}
	name, err := libc.CString(database(b))
	must(b, err)
	defer libc.Xfree(m.tls, name)
	var db uintptr
	pdb := libc.Xmalloc(m.tls, 8)
	defer libc.Xfree(m.tls, pdb)
	rc := lib.Xsqlite3_open_v2(m.tls, name, pdb, lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_CREATE, 0)
	db = *(*uintptr)(unsafe.Pointer(pdb))
	m.db = db
	m.check(rc)
	b.Cleanup(func() {
		lib.Xsqlite3_close_v2(m.tls, m.db)
		m.tls.Close()
	})
	if exclusive {
		m.exec(`PRAGMA locking_mode=EXCLUSIVE`)
	}
	m.exec(fmt.Sprintf(pragmas, pageSize))
	m.exec(schema)
	return m
}

func (m *modernc) check(rc int32) {
	if rc != lib.SQLITE_OK && rc != lib.SQLITE_DONE {
		m.b.Helper()
		m.b.Fatalf("%d: %s", rc, libc.GoString(lib.Xsqlite3_errmsg(m.tls, m.db)))
	}
}

func (m *modernc) exec(query string) {
	text, err := libc.CString(query)
	must(m.b, err)
	defer libc.Xfree(m.tls, text)
	m.check(lib.Xsqlite3_exec(m.tls, m.db, text, 0, 0, 0))
}

type moderncStmt struct {
	*modernc
	handle uintptr
}

func (m *modernc) prepare(query string) moderncStmt {
	text, err := libc.CString(query)
	must(m.b, err)
	defer libc.Xfree(m.tls, text)
	p := libc.Xmalloc(m.tls, 8)
	defer libc.Xfree(m.tls, p)
	m.check(lib.Xsqlite3_prepare_v3(m.tls, m.db, text, -1, lib.SQLITE_PREPARE_PERSISTENT, p, 0))
	s := moderncStmt{m, *(*uintptr)(unsafe.Pointer(p))}
	m.b.Cleanup(func() { lib.Xsqlite3_finalize(m.tls, s.handle) })
	return s
}

func (s moderncStmt) run() {
	s.check(lib.Xsqlite3_step(s.tls, s.handle))
	s.check(lib.Xsqlite3_reset(s.tls, s.handle))
}

func (s moderncStmt) int(at int, v int64) {
	s.check(lib.Xsqlite3_bind_int64(s.tls, s.handle, int32(at), v))
}
func (s moderncStmt) float(at int, v float64) {
	s.check(lib.Xsqlite3_bind_double(s.tls, s.handle, int32(at), v))
}

// buffer is memory outside Go's heap, to bind from without a copy by SQLite.
type buffer struct {
	at   uintptr
	size int
	used int
}

func (m *modernc) buffer(size int) *buffer {
	return &buffer{at: libc.Xmalloc(m.tls, libc.Tsize_t(size)), size: size}
}

func (u *buffer) put(v string) uintptr {
	p := u.at + uintptr(u.used)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(p)), len(v)), v)
	u.used += len(v)
	return p
}

func (s moderncStmt) text(at int, u *buffer, v string) {
	s.check(lib.Xsqlite3_bind_text(s.tls, s.handle, int32(at), u.put(v), int32(len(v)), 0))
}

func (s moderncStmt) blob(at int, u *buffer, v string) {
	s.check(lib.Xsqlite3_bind_blob(s.tls, s.handle, int32(at), u.put(v), int32(len(v)), 0))
}

// BenchmarkGroup_Modernc appends a group: a frame, five small updates, the oldest
// frame gone.
func BenchmarkGroup_Modernc(b *testing.B) {
	for _, size := range []int{4096, 8192, 16384} {
		for _, exclusive := range []bool{false, true} {
			b.Run(fmt.Sprintf("page=%d/exclusive=%t", size, exclusive), func(b *testing.B) {
				m := openModernc(b, size, exclusive, queueSchema)
				begin, commit := m.prepare(`BEGIN IMMEDIATE`), m.prepare(`COMMIT`)
				insert := m.prepare(`INSERT INTO frame (id, queue, data) VALUES (?, 1, ?)`)
				remove := m.prepare(`DELETE FROM frame WHERE id = ?`)
				update := m.prepare(`UPDATE state SET a = ?, b = ?, c = ? WHERE id = ?`)
				u := m.buffer(1 << 20)
				data, small := string(make([]byte, groupData)), string(make([]byte, 100))
				n := int64(0)
				measure(b, "group", 1, func() {
					n++
					u.used = 0
					begin.run()
					insert.int(1, n)
					insert.blob(2, u, data)
					insert.run()
					remove.int(1, n-10)
					remove.run()
					for i := range int64(5) {
						update.int(1, n)
						update.int(2, n)
						update.blob(3, u, small)
						update.int(4, i+1)
						update.run()
					}
					commit.run()
				})
			})
		}
	}
}

func (s moderncStmt) bind(at int, u *buffer, r *row) {
	s.int(at+1, 1)
	s.int(at+2, r.entry)
	s.text(at+3, u, r.device)
	s.float(at+4, r.temp)
	s.float(at+5, r.rh)
	s.int(at+6, r.epoch)
}

// BenchmarkRows_Modernc inserts batches of rows, each in one transaction.
func BenchmarkRows_Modernc(b *testing.B) {
	for _, devices := range []int{100, 10_000} {
		for _, way := range []string{"step", "multi", "json"} {
			b.Run(fmt.Sprintf("devices=%d/%s", devices, way), func(b *testing.B) {
				m := openModernc(b, 4096, false, sensorSchema)
				begin, commit := m.prepare(`BEGIN IMMEDIATE`), m.prepare(`COMMIT`)
				insert, from := m.way(way)
				src, rows := newSource(devices), []row(nil)
				measure(b, "row", batchRows, func() {
					rows = src.batch(rows, batchRows)
					begin.run()
					from(insert, rows)
					commit.run()
				})
			})
		}
	}
}

func (m *modernc) way(way string) (moderncStmt, func(moderncStmt, []row)) {
	u := m.buffer(1 << 20)
	switch way {
	case "step":
		return m.prepare(insertRow), func(s moderncStmt, rows []row) {
			for i := range rows {
				u.used = 0
				s.bind(0, u, &rows[i])
				s.run()
			}
		}
	case "multi":
		return m.prepare(multiInsert()), func(s moderncStmt, rows []row) {
			for i := 0; i < len(rows); i += multiRows {
				u.used = 0
				for j := range multiRows {
					s.bind(6*j, u, &rows[i+j])
				}
				s.run()
			}
		}
	default:
		var text []byte
		return m.prepare(insertJSON), func(s moderncStmt, rows []row) {
			u.used = 0
			text = jsonRows(text, rows)
			s.text(1, u, string(text))
			s.run()
		}
	}
}

// moderncRows is a virtual table over a slice of Go.
type moderncRows struct{ rows []row }

func (t *moderncRows) Create(ctx vtab.Context, _ []string) (vtab.Table, error) {
	return t, ctx.Declare(`CREATE TABLE x (entry, device, temp, rh, epoch)`)
}
func (t *moderncRows) Connect(ctx vtab.Context, a []string) (vtab.Table, error) {
	return t.Create(ctx, a)
}
func (t *moderncRows) BestIndex(i *vtab.IndexInfo) error {
	i.EstimatedCost, i.EstimatedRows = 1, batchRows
	return nil
}
func (t *moderncRows) Open() (vtab.Cursor, error) { return &moderncCursor{rows: t.rows}, nil }
func (t *moderncRows) Disconnect() error          { return nil }
func (t *moderncRows) Destroy() error             { return nil }

type moderncCursor struct {
	rows []row
	at   int
}

func (c *moderncCursor) Filter(int, string, []vtab.Value) error { c.at = 0; return nil }
func (c *moderncCursor) Next() error                            { c.at++; return nil }
func (c *moderncCursor) Eof() bool                              { return c.at >= len(c.rows) }
func (c *moderncCursor) Rowid() (int64, error)                  { return int64(c.at), nil }
func (c *moderncCursor) Close() error                           { return nil }
func (c *moderncCursor) Column(n int) (vtab.Value, error) {
	r := &c.rows[c.at]
	switch n {
	case 0:
		return r.entry, nil
	case 1:
		return r.device, nil
	case 2:
		return r.temp, nil
	case 3:
		return r.rh, nil
	case 4:
		return r.epoch, nil
	}
	return nil, errors.New("no such column")
}

// BenchmarkRowsVtab_Modernc inserts from a virtual table, which only database/sql
// reaches.
func BenchmarkRowsVtab_Modernc(b *testing.B) {
	for _, devices := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			fdatasync(b)
			d, src := &sqlite.Driver{}, newSource(devices)
			table := &moderncRows{}
			must(b, d.RegisterModule("gorows", table))
			db := sql.OpenDB(connector{d, "file:" + database(b)})
			b.Cleanup(func() { db.Close() })
			db.SetMaxOpenConns(1)
			for _, query := range []string{fmt.Sprintf(pragmas, 4096), sensorSchema, `CREATE VIRTUAL TABLE temp.rows USING gorows`} {
				_, err := db.Exec(query)
				must(b, err)
			}
			insert, err := db.Prepare(`INSERT INTO sensor SELECT 1, entry, device, temp, rh, epoch FROM temp.rows`)
			must(b, err)
			measure(b, "row", batchRows, func() {
				table.rows = src.batch(table.rows, batchRows)
				_, err := insert.Exec()
				must(b, err)
			})
		})
	}
}

// BenchmarkRowsSQL_Modernc inserts through database/sql.
func BenchmarkRowsSQL_Modernc(b *testing.B) {
	fdatasync(b)
	benchmarkRowsSQL(b, "sqlite")
}

// BenchmarkRead_Modernc reads a million rows in key order.
func BenchmarkRead_Modernc(b *testing.B) {
	m := openModernc(b, 4096, false, sensorSchema)
	insert, from := m.way("step")
	src, rows := newSource(100), []row(nil)
	for range 200 {
		rows = src.batch(rows, batchRows)
		m.exec(`BEGIN`)
		from(insert, rows)
		m.exec(`COMMIT`)
	}
	read := m.prepare(readQuery)
	var sum int64
	measure(b, "row", readRows, func() {
		n := 0
		for lib.Xsqlite3_step(m.tls, read.handle) == lib.SQLITE_ROW {
			sum += lib.Xsqlite3_column_int64(m.tls, read.handle, 0)
			lib.Xsqlite3_column_text(m.tls, read.handle, 1)
			sum += int64(lib.Xsqlite3_column_bytes(m.tls, read.handle, 1))
			sum += int64(lib.Xsqlite3_column_double(m.tls, read.handle, 2) + lib.Xsqlite3_column_double(m.tls, read.handle, 3))
			sum += lib.Xsqlite3_column_int64(m.tls, read.handle, 4)
			n++
		}
		m.check(lib.Xsqlite3_reset(m.tls, read.handle))
		if n != readRows {
			b.Fatalf("%d rows", n)
		}
	})
}

type connector struct {
	d   *sqlite.Driver
	dsn string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.d.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.d }
