package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/gen/sluicev1"
	"sluice/internal/litefile"
	"sluice/store"
	"sluice/store/postgres"
	"sluice/store/sqlite"
)

// Imported tells what was moved from a file.
type Imported struct {
	Facility string `json:"facility"`
	// Readings and Outages were added; Before is how many readings were there already.
	Readings int64 `json:"readings"`
	Before   int64 `json:"before"`
	Outages  int64 `json:"outages"`
}

// Import moves readings, with their entry ids, and outages from the file of a `sluice
// up` that does not run to PostgreSQL. It goes on where an earlier run ended; rows of
// the facility that are not the file's are refused. told is called now and then.
func Import(ctx context.Context, path string, pool *pgxpool.Pool, told func(Imported)) (all []Imported, err error) {
	file, err := litefile.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	rows, err := sqlite.Open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	from := sqlite.NewQueries(rows)
	facilities, err := from.Facilities(ctx)
	for id, name := range facilities {
		if err != nil {
			return all, err
		}
		m := mover{from: from, to: postgres.NewQueries(pool), pool: pool, source: id, told: told}
		m.Facility = name
		err = m.run(ctx)
		all = append(all, m.Imported)
	}
	return all, err
}

// mover moves one facility.
type mover struct {
	Imported

	from           *sqlite.Queries
	to             *postgres.Queries
	pool           *pgxpool.Pool
	source, target int32 // its number there and here
	told           func(Imported)
}

func (m *mover) run(ctx context.Context) (err error) {
	if m.target, err = postgres.Facility(ctx, m.pool, m.Facility); err != nil {
		return err
	}
	last, err := m.to.LastEntries(ctx)
	if err != nil {
		return err
	}
	m.Before = last[m.target]
	if err := m.same(ctx); err != nil {
		return err
	}
	if err := m.readings(ctx); err != nil {
		return fmt.Errorf("readings of %s: %w", m.Facility, err)
	}
	if err := m.outages(ctx); err != nil {
		return fmt.Errorf("outages of %s: %w", m.Facility, err)
	}
	return nil
}

// same checks that the last row that is here is the file's.
func (m *mover) same(ctx context.Context) error {
	if m.Before == 0 {
		return nil
	}
	query := func(facility int32) store.SensorQuery {
		return store.SensorQuery{Facilities: []int32{facility}, After: map[int32]int64{facility: m.Before - 1}, Last: map[int32]int64{facility: m.Before}}
	}
	there, err := m.from.Sensor(query(m.source)).Page(ctx, 1)
	if err != nil {
		return err
	}
	here, err := m.to.Sensor(query(m.target)).Page(ctx, 1)
	if err != nil {
		return err
	}
	if first(there) != first(here) {
		return fmt.Errorf("facility %s has %d readings in the database that are not the file's: import into a database without it", m.Facility, m.Before)
	}
	return nil
}

// reading is what identifies a row.
type reading struct {
	device string
	epoch  int64
}

func first(chunks []*sluicev1.SensorChunk) (r reading) {
	if len(chunks) > 0 && len(chunks[0].EntryId) > 0 {
		r = reading{chunks[0].Device[0], chunks[0].Epoch[0]}
	}
	return r
}

// importPage is how many readings are one transaction.
const importPage = 4000

func (m *mover) readings(ctx context.Context) error {
	rows := m.from.Sensor(store.SensorQuery{Facilities: []int32{m.source}, After: map[int32]int64{m.source: m.Before}})
	for {
		chunks, err := rows.Page(ctx, importPage)
		if err != nil || len(chunks) == 0 {
			return err
		}
		if err := postgres.Import(ctx, m.pool, m.target, chunks); err != nil {
			return err
		}
		for _, c := range chunks {
			m.Readings += int64(len(c.EntryId))
		}
		m.told(m.Imported)
	}
}

func (m *mover) outages(ctx context.Context) error {
	query := store.OutageQuery{Facilities: []int32{m.source}, Limit: importPage}
	for {
		page, err := m.from.Outages(ctx, query)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := postgres.ImportOutages(ctx, m.pool, m.target, page); err != nil {
			return err
		}
		m.Outages += int64(len(page))
		last := page[len(page)-1]
		query.AfterFacility, query.AfterDown, query.AfterDevice = m.source, last.GetDownAt().AsTime().UnixMicro(), last.GetDevice()
	}
}
