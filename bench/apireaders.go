package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"sluice/gen/sluicev1"
)

// readers has all readers read at once: half of them columns, half of them rows.
// It fails when one of them cannot.
func (a *APIBench) readers(ctx context.Context) (*APIReaders, error) {
	a.begin(fmt.Sprintf("%d readers", a.cfg.Readers))
	r := &APIReaders{Readers: a.cfg.Readers, Slow: a.cfg.Slow.Seconds(), faults: make([]string, a.cfg.Readers)}
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i := range a.cfg.Readers {
		g.Go(func() (err error) {
			r.faults[i], err = a.slowReader(ctx, i%2 == 0)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r.Rows, r.Seconds = a.rows.Load(), time.Since(began).Seconds()
	for _, fault := range r.faults {
		if fault != "" {
			r.Fault = fault
		}
	}
	return r, nil
}

// errEnough ends a stream that has no limit.
var errEnough = errors.New("enough rows")

// slowReader reads up to readerRows over a connection of its own and says what was
// wrong with them.
func (a *APIBench) slowReader(ctx context.Context, columns bool) (fault string, err error) {
	conn, err := a.dial()
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(ctx) // ends a stream that has had enough
	defer cancel()
	s, err := openLimited(ctx, conn, columns)
	if err != nil {
		return "", err
	}
	err = s.drain(a.slowly(ctx, s, columns))
	if errors.Is(err, errEnough) {
		err = nil
	}
	return s.fault, err
}

func openLimited(ctx context.Context, conn *grpc.ClientConn, columns bool) (*stream, error) {
	if columns {
		return openColumns(ctx, conn, &sluicev1.QuerySensorRowsRequest{Limit: readerRows}, gapless)
	}
	return openRows(ctx, conn)
}

// slowly holds a reader up to slowRows a second for the time of Slow.
func (a *APIBench) slowly(ctx context.Context, s *stream, limited bool) func(int64) error {
	const pauses = 5 // a second
	began, paused := time.Now(), int64(0)
	return func(rows int64) error {
		a.rows.Add(rows)
		if !limited && s.rows >= readerRows {
			return errEnough
		}
		if s.rows-paused < slowRows/pauses || time.Since(began) >= a.cfg.Slow {
			return nil
		}
		paused = s.rows
		return pause(ctx, time.Second/pauses)
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
