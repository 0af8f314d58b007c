package bench

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"sluice/gen/sluicev1"
)

const (
	// aloneShare: others are observed alone for this share of the time of Stop.
	aloneShare = 4
	// probeEvery is the time between two requests for one row.
	probeEvery = 50 * time.Millisecond
)

// stopped measures readers that go on, first alone, then while two others have
// stopped after their first message: one on the same connection, one on its own.
// Then these read on to their end.
func (a *APIBench) stopped(ctx context.Context) (*APIStopped, error) {
	r := &APIStopped{Seconds: a.cfg.Stop.Seconds()}
	var err error
	a.begin("readers alone")
	if r.Alone, err = a.observe(ctx, a.cfg.Stop/aloneShare); err != nil {
		return nil, err
	}
	own, err := a.dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = own.Close() }()
	var still []*stream
	for _, conn := range []*grpc.ClientConn{own, a.conn} {
		s, err := openColumns(ctx, conn, &sluicev1.QuerySensorRowsRequest{}, gapless)
		if err == nil {
			err = s.next()
		}
		if err != nil {
			return nil, err
		}
		still = append(still, s)
	}
	a.begin("readers beside two that have stopped")
	if r.Beside, err = a.observe(ctx, a.cfg.Stop); err != nil {
		return nil, err
	}
	a.begin("those that had stopped")
	for _, s := range still {
		if err := s.drain(a.seen); err != nil {
			return nil, err
		}
		r.Rows = append(r.Rows, s.rows)
		if s.fault != "" {
			r.Fault = s.fault
		}
	}
	return r, nil
}

// observe reads columns again and again for d, and asks for one row beside that.
func (a *APIBench) observe(ctx context.Context, d time.Duration) (o APIObserved, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var latency histogram
	probing, stop := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.probe(ctx, probing.Done(), &latency) })
	g.Go(func() error {
		defer stop()
		o.PerSecond, err = a.readFor(ctx, d)
		return err
	})
	err = g.Wait()
	o.Latency = latency.summary()
	return o, err
}

// readFor reads columns for d and returns the rows per second.
func (a *APIBench) readFor(ctx context.Context, d time.Duration) (float64, error) {
	began, rows := time.Now(), int64(0)
	for {
		s, err := openColumns(ctx, a.conn, &sluicev1.QuerySensorRowsRequest{Limit: readerRows}, gapless)
		if err == nil {
			err = s.drain(a.seen)
		}
		if err != nil {
			return 0, err
		}
		rows += s.rows
		if took := time.Since(began); took >= d || s.rows == 0 {
			return rate(rows, took), nil
		}
	}
}

// probe asks for one row every probeEvery and counts how long the answer takes.
func (a *APIBench) probe(ctx context.Context, done <-chan struct{}, latency *histogram) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-tick.C:
		}
		began := time.Now()
		s, err := openColumns(ctx, a.conn, &sluicev1.QuerySensorRowsRequest{Limit: 1}, gapless)
		if err == nil {
			err = s.drain(func(int64) error { return nil })
		}
		if err != nil {
			return err
		}
		latency.add(time.Since(began))
	}
}
