package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sluice/gen/sluicev1"
)

// Bench is one run.
type Bench struct {
	cfg  Config
	plan *plan
	gen  *generator
}

// New checks the configuration. It starts nothing.
func New(cfg Config) (*Bench, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := newPlan(cfg)
	return &Bench{cfg: cfg, plan: p, gen: &generator{cfg: cfg, plan: p}}, nil
}

// Run publishes all messages, waits for their rows and checks them. It returns an
// error when the run could not be completed: a broken connection, no PUBACK for
// longer than Stall, a database that cannot be read, the end of ctx. Rows that are
// missing, doubled or wrong are no error but a Result that is not OK. Call it
// once.
func (b *Bench) Run(ctx context.Context) (*Result, error) {
	rows, sessions, closeRows, err := b.openRows(ctx)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer closeRows()
	if rows != nil {
		if err := rows.prepare(ctx); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	if err := b.gen.connect(ctx); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	result, err := b.measure(ctx, newMeter(b.cfg.Processes, sessions), rows)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return result, nil
}

// openRows opens what the rows are read from; rows is nil for nothing. sessions are the
// processes of the server that are our own doing.
func (b *Bench) openRows(ctx context.Context) (rows table, sessions func() []int, closeRows func(), err error) {
	switch {
	case b.cfg.API != "":
		conn, err := openAPI(b.cfg.API)
		if err != nil {
			return nil, nil, nil, err
		}
		client := sluicev1.NewSluiceServiceClient(conn)
		rows = &apiTable{api: client, plan: b.plan, facility: b.cfg.Facility, topic: b.cfg.Topic}
		return rows, func() []int { return nil }, func() { _ = conn.Close() }, nil
	case b.cfg.Database != "":
		db, err := openDatabase(ctx, b.cfg.Database)
		if err != nil {
			return nil, nil, nil, err
		}
		return b.table(db), db.sessions, db.pool.Close, nil
	}
	return nil, func() []int { return nil }, func() {}, nil
}

func (b *Bench) table(db *database) table {
	if b.plan.keyless {
		return &keylessTable{db: db, plan: b.plan}
	}
	return &sensorTable{db: db, plan: b.plan, facility: b.cfg.Facility}
}

// measure runs load, observers and check. rows is nil without a database.
func (b *Bench) measure(ctx context.Context, m *meter, rows table) (*Result, error) {
	observing, stop := context.WithCancel(ctx)
	var observers sync.WaitGroup
	defer observers.Wait()
	defer stop()

	var seen *visibility
	if rows != nil {
		seen = &visibility{table: rows, every: b.lookEvery()}
		seen.look(ctx) // its session is open before the run
		observers.Go(func() { seen.watch(observing) })
	}
	m.begin()
	observers.Go(func() { m.watch(observing) })
	observers.Go(func() { b.report(observing, seen) })

	if err := b.gen.publish(ctx); err != nil {
		return nil, err
	}
	published := b.gen.since()
	m.stop()
	last := b.gen.start
	if rows != nil {
		var err error
		expected := int64(b.plan.messages - len(b.gen.refused()))
		if last, err = seen.awaitRows(ctx, expected, b.cfg.Stall, m.stop); err != nil {
			return nil, fmt.Errorf("wait for rows: %w", err)
		}
	}
	stop()
	observers.Wait()
	return b.conclude(ctx, m, rows, seen, published, last.Sub(b.gen.start))
}

// lookEvery is the time between two looks at which rows are visible.
func (b *Bench) lookEvery() time.Duration {
	if b.cfg.API != "" {
		return max(b.cfg.LatencyPoll, apiPoll)
	}
	return b.cfg.LatencyPoll
}

// conclude checks the rows and puts the result together.
func (b *Bench) conclude(ctx context.Context, m *meter, rows table, seen *visibility, published, stored time.Duration) (*Result, error) {
	r := b.summary(published)
	r.Usage = m.result(b.plan.messages)
	if rows == nil {
		return r, nil
	}
	found, latency, err := b.inspect(ctx, rows, seen)
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	found.Seconds, found.PerSecond = stored.Seconds(), rate(found.Found, stored)
	r.Rows = &found
	if b.cfg.API == "" { // it tells too late when rows became visible
		r.RowLatency = latency
	}
	return r, nil
}

// summary describes the run and its publishing side.
func (b *Bench) summary(published time.Duration) *Result {
	refused, unrouted := int64(len(b.gen.refused())), b.gen.unrouted.Load()
	r := &Result{
		Run: b.plan.run, Devices: b.cfg.Devices, Messages: b.cfg.Messages, Rate: b.cfg.Rate,
		Window: b.gen.window(), Protocol: b.cfg.Protocol.String(), Topic: b.cfg.Topic, Keyless: b.cfg.Keyless,
		Publish: Publish{
			Acked:      b.gen.acked.Load() - refused - unrouted,
			Refused:    refused,
			Unrouted:   unrouted,
			Seconds:    published.Seconds(),
			PerSecond:  rate(b.gen.acked.Load(), published),
			AckLatency: b.gen.ackLatency.summary(),
		},
	}
	if b.cfg.Rate > 0 {
		r.Publish.LagMax = float64(b.gen.lagMax().Microseconds()) / 1000
	}
	if !b.cfg.Keyless {
		r.BaseEpoch = b.plan.base
	}
	return r
}
