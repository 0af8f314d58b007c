package sqlite

import (
	"github.com/ncruces/go-sqlite3"

	"sluice/store"
)

// entry is a reading on its way into a table.
type entry struct {
	*store.Row

	id int64 // of the entry
}

// incoming is the virtual table of the readings that a statement is to work on: reading
// Go's memory costs a third of binding each value.
type incoming struct{ entries *[]entry }

const incomingColumns = `CREATE TABLE incoming (entry_id INTEGER, device TEXT, temp REAL, rh REAL, epoch INTEGER, place INTEGER)`

func (s *Store) newIncoming(c *sqlite3.Conn, _, _, _ string, _ ...string) (incoming, error) {
	return incoming{&s.source}, c.DeclareVTab(incomingColumns)
}

// BestIndex implements sqlite3.VTab: there is only one way, the whole.
func (t incoming) BestIndex(i *sqlite3.IndexInfo) error {
	i.EstimatedCost, i.EstimatedRows = 1, 1
	return nil
}

// Open implements sqlite3.VTab.
func (t incoming) Open() (sqlite3.VTabCursor, error) { return &cursor{entries: *t.entries}, nil }

// cursor implements sqlite3.VTabCursor.
type cursor struct {
	entries []entry
	at      int
}

func (c *cursor) Filter(int, string, ...sqlite3.Value) error { c.at = 0; return nil }
func (c *cursor) Next() error                                { c.at++; return nil }
func (c *cursor) EOF() bool                                  { return c.at >= len(c.entries) }
func (c *cursor) RowID() (int64, error)                      { return int64(c.at), nil }

func (c *cursor) Column(to sqlite3.Context, n int) error {
	e := &c.entries[c.at]
	switch n {
	case 0:
		to.ResultInt64(e.id)
	case 1:
		to.ResultRawText(e.Device)
	case 2:
		to.ResultFloat(float64(e.Temp))
	case 3:
		to.ResultFloat(float64(e.RH))
	case 4:
		to.ResultInt64(e.Epoch)
	case 5:
		to.ResultInt64(int64(c.at))
	}
	return nil
}
