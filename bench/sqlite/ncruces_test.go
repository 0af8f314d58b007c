package sqlite

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/driver"
)

func openNcruces(b *testing.B, pageSize int, exclusive bool, schema string) *sqlite3.Conn {
	c, err := sqlite3.Open(database(b))
	must(b, err)
	b.Cleanup(func() { c.Close() })
	if exclusive {
		must(b, c.Exec(`PRAGMA locking_mode=EXCLUSIVE`))
	}
	must(b, c.Exec(fmt.Sprintf(pragmas, pageSize)))
	must(b, c.Exec(schema))
	return c
}

func prepareNcruces(b *testing.B, c *sqlite3.Conn, query string) *sqlite3.Stmt {
	s, _, err := c.PrepareFlags(query, sqlite3.PREPARE_PERSISTENT)
	must(b, err)
	b.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkGroup_Ncruces appends a group: a frame, five small updates, the oldest
// frame gone.
func BenchmarkGroup_Ncruces(b *testing.B) {
	for _, size := range []int{4096, 8192, 16384} {
		for _, exclusive := range []bool{false, true} {
			b.Run(fmt.Sprintf("page=%d/exclusive=%t", size, exclusive), func(b *testing.B) {
				c := openNcruces(b, size, exclusive, queueSchema)
				begin, commit := prepareNcruces(b, c, `BEGIN IMMEDIATE`), prepareNcruces(b, c, `COMMIT`)
				insert := prepareNcruces(b, c, `INSERT INTO frame (id, queue, data) VALUES (?, 1, ?)`)
				remove := prepareNcruces(b, c, `DELETE FROM frame WHERE id = ?`)
				update := prepareNcruces(b, c, `UPDATE state SET a = ?, b = ?, c = ? WHERE id = ?`)
				data, small := make([]byte, groupData), make([]byte, 100)
				n := int64(0)
				measure(b, "group", 1, func() {
					n++
					must(b, begin.Exec())
					must(b, insert.BindInt64(1, n))
					must(b, insert.BindBlob(2, data))
					must(b, insert.Exec())
					must(b, remove.BindInt64(1, n-10))
					must(b, remove.Exec())
					for i := range int64(5) {
						must(b, update.BindInt64(1, n))
						must(b, update.BindInt64(2, n))
						must(b, update.BindBlob(3, small))
						must(b, update.BindInt64(4, i+1))
						must(b, update.Exec())
					}
					must(b, commit.Exec())
				})
			})
		}
	}
}

// goRows is a virtual table over a slice of Go.
type goRows struct{ rows *[]row }

func newGoRows(rows *[]row) sqlite3.VTabConstructor[goRows] {
	return func(c *sqlite3.Conn, _, _, _ string, _ ...string) (goRows, error) {
		return goRows{rows}, c.DeclareVTab(`CREATE TABLE x (entry, device, temp, rh, epoch)`)
	}
}

func (t goRows) BestIndex(i *sqlite3.IndexInfo) error {
	i.EstimatedCost, i.EstimatedRows = 1, batchRows
	return nil
}
func (t goRows) Open() (sqlite3.VTabCursor, error) { return &goCursor{rows: *t.rows}, nil }

type goCursor struct {
	rows []row
	at   int
}

func (c *goCursor) Filter(int, string, ...sqlite3.Value) error { c.at = 0; return nil }
func (c *goCursor) Next() error                                { c.at++; return nil }
func (c *goCursor) EOF() bool                                  { return c.at >= len(c.rows) }
func (c *goCursor) RowID() (int64, error)                      { return int64(c.at), nil }
func (c *goCursor) Column(ctx sqlite3.Context, n int) error {
	r := &c.rows[c.at]
	switch n {
	case 0:
		ctx.ResultInt64(r.entry)
	case 1:
		ctx.ResultText(r.device)
	case 2:
		ctx.ResultFloat(r.temp)
	case 3:
		ctx.ResultFloat(r.rh)
	case 4:
		ctx.ResultInt64(r.epoch)
	}
	return nil
}

func bindNcruces(b *testing.B, s *sqlite3.Stmt, at int, r *row) {
	must(b, s.BindInt64(at+1, 1))
	must(b, s.BindInt64(at+2, r.entry))
	must(b, s.BindText(at+3, r.device))
	must(b, s.BindFloat(at+4, r.temp))
	must(b, s.BindFloat(at+5, r.rh))
	must(b, s.BindInt64(at+6, r.epoch))
}

// BenchmarkRows_Ncruces inserts batches of rows, each in one transaction.
func BenchmarkRows_Ncruces(b *testing.B) {
	for _, devices := range []int{100, 10_000} {
		for _, way := range []string{"step", "multi", "json", "vtab"} {
			b.Run(fmt.Sprintf("devices=%d/%s", devices, way), func(b *testing.B) {
				c := openNcruces(b, 4096, false, sensorSchema)
				var rows []row
				must(b, sqlite3.CreateModule(c, "gorows", nil, newGoRows(&rows)))
				begin, commit := prepareNcruces(b, c, `BEGIN IMMEDIATE`), prepareNcruces(b, c, `COMMIT`)
				insert, from := ncrucesWay(b, c, way)
				src := newSource(devices)
				measure(b, "row", batchRows, func() {
					rows = src.batch(rows, batchRows)
					must(b, begin.Exec())
					from(insert, rows)
					must(b, commit.Exec())
				})
			})
		}
	}
}

func ncrucesWay(b *testing.B, c *sqlite3.Conn, way string) (*sqlite3.Stmt, func(*sqlite3.Stmt, []row)) {
	switch way {
	case "step":
		return prepareNcruces(b, c, insertRow), func(s *sqlite3.Stmt, rows []row) {
			for i := range rows {
				bindNcruces(b, s, 0, &rows[i])
				must(b, s.Exec())
			}
		}
	case "multi":
		return prepareNcruces(b, c, multiInsert()), func(s *sqlite3.Stmt, rows []row) {
			for i := 0; i < len(rows); i += multiRows {
				for j := range multiRows {
					bindNcruces(b, s, 6*j, &rows[i+j])
				}
				must(b, s.Exec())
			}
		}
	case "json":
		var text []byte
		return prepareNcruces(b, c, insertJSON), func(s *sqlite3.Stmt, rows []row) {
			text = jsonRows(text, rows)
			must(b, s.BindRawText(1, text))
			must(b, s.Exec())
		}
	default:
		return prepareNcruces(b, c, `INSERT INTO sensor SELECT 1, entry, device, temp, rh, epoch FROM gorows`),
			func(s *sqlite3.Stmt, rows []row) { must(b, s.Exec()) }
	}
}

// BenchmarkRowsSQL_Ncruces does the same through database/sql.
func BenchmarkRowsSQL_Ncruces(b *testing.B) { benchmarkRowsSQL(b, "sqlite3") }

// BenchmarkRead_Ncruces reads a million rows in key order.
func BenchmarkRead_Ncruces(b *testing.B) {
	c := openNcruces(b, 4096, false, sensorSchema)
	insert, from := ncrucesWay(b, c, "step")
	src, rows := newSource(100), []row(nil)
	for range 200 {
		rows = src.batch(rows, batchRows)
		must(b, c.Exec(`BEGIN`))
		from(insert, rows)
		must(b, c.Exec(`COMMIT`))
	}
	read := prepareNcruces(b, c, readQuery)
	var sum int64
	measure(b, "row", readRows, func() {
		n := 0
		for read.Step() {
			sum += read.ColumnInt64(0) + int64(len(read.ColumnRawText(1))) + int64(read.ColumnFloat(2)+read.ColumnFloat(3)) + read.ColumnInt64(4)
			n++
		}
		must(b, read.Reset())
		if n != readRows {
			b.Fatalf("%d rows", n)
		}
	})
}

func benchmarkRowsSQL(b *testing.B, driver string) {
	for _, way := range []string{"step", "multi"} {
		b.Run(way, func(b *testing.B) {
			db, err := sql.Open(driver, "file:"+database(b))
			must(b, err)
			b.Cleanup(func() { db.Close() })
			db.SetMaxOpenConns(1)
			_, err = db.Exec(fmt.Sprintf(pragmas, 4096))
			must(b, err)
			_, err = db.Exec(sensorSchema)
			must(b, err)
			src, rows, args := newSource(100), []row(nil), []any(nil)
			query, per := insertRow, 1
			if way == "multi" {
				query, per = multiInsert(), multiRows
			}
			prepared, err := db.Prepare(query)
			must(b, err)
			measure(b, "row", batchRows, func() {
				rows = src.batch(rows, batchRows)
				tx, err := db.Begin()
				must(b, err)
				insert := tx.Stmt(prepared)
				for i := 0; i < len(rows); i += per {
					args = args[:0]
					for _, r := range rows[i : i+per] {
						args = append(args, 1, r.entry, r.device, r.temp, r.rh, r.epoch)
					}
					_, err := insert.Exec(args...)
					must(b, err)
				}
				must(b, tx.Commit())
			})
		})
	}
}

// BenchmarkLayout_Ncruces compares layouts of the table, filled the fastest way.
func BenchmarkLayout_Ncruces(b *testing.B) {
	const columns = `facility_id INTEGER NOT NULL, entry_id INTEGER NOT NULL, device TEXT NOT NULL, temp REAL NOT NULL, rh REAL NOT NULL, epoch INTEGER NOT NULL`
	layouts := []struct{ name, schema string }{
		{"key", `CREATE TABLE sensor (` + columns + `, PRIMARY KEY (facility_id, entry_id)) WITHOUT ROWID, STRICT`},
		{"key+epoch-device", sensorSchema},
		{"key+device-epoch", `CREATE TABLE sensor (` + columns + `, PRIMARY KEY (facility_id, entry_id)) WITHOUT ROWID, STRICT;
			CREATE UNIQUE INDEX sensor_device ON sensor (device, epoch)`},
		{"rowid+key+epoch-device", `CREATE TABLE sensor (` + columns + `, PRIMARY KEY (facility_id, entry_id)) STRICT;
			CREATE UNIQUE INDEX sensor_epoch ON sensor (epoch, device)`},
		{"entry-as-rowid+epoch-device", `CREATE TABLE sensor (facility_id INTEGER NOT NULL, entry_id INTEGER PRIMARY KEY, device TEXT NOT NULL, temp REAL NOT NULL, rh REAL NOT NULL, epoch INTEGER NOT NULL) STRICT;
			CREATE UNIQUE INDEX sensor_epoch ON sensor (epoch, device)`},
	}
	for _, layout := range layouts {
		b.Run(layout.name, func(b *testing.B) {
			c := openNcruces(b, 4096, false, layout.schema)
			var rows []row
			must(b, sqlite3.CreateModule(c, "gorows", nil, newGoRows(&rows)))
			begin, commit := prepareNcruces(b, c, `BEGIN IMMEDIATE`), prepareNcruces(b, c, `COMMIT`)
			insert, from := ncrucesWay(b, c, "vtab")
			src := newSource(10_000)
			for range 40 { // 200 000 rows lie there already
				rows = src.batch(rows, batchRows)
				from(insert, rows)
			}
			measure(b, "row", batchRows, func() {
				rows = src.batch(rows, batchRows)
				must(b, begin.Exec())
				from(insert, rows)
				must(b, commit.Exec())
			})
		})
	}
}
