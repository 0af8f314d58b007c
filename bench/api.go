package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"sluice/gen/sluicev1"
)

// APIBench measures an api that is running: what a row costs each process by each
// way to read, beside COPY, and how it bears slow readers.
type APIBench struct {
	cfg  APIConfig
	conn *grpc.ClientConn
	copy *copier // nil: no comparison

	rows atomic.Int64           // read so far, for progress
	now  atomic.Pointer[string] // what is measured now
}

// NewAPI checks the configuration. It starts nothing.
func NewAPI(cfg APIConfig) (*APIBench, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	a := &APIBench{cfg: cfg}
	a.begin("connecting")
	if cfg.Database != "" {
		var err error
		if a.copy, err = newCopier(cfg.Database); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	return a, nil
}

// Run measures one thing after the other. It returns an error when it could not:
// a stream that ended with an error, the end of ctx. A stream that is not complete
// is no error but a result that is not OK. Call it once.
func (a *APIBench) Run(ctx context.Context) (*APIResult, error) {
	var err error
	if a.conn, err = a.dial(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer func() { _ = a.conn.Close() }()
	m := newMeter(a.cfg.Processes, func() []int { return nil })
	m.begin()
	observing, stop := context.WithCancel(ctx)
	var observers sync.WaitGroup
	observers.Go(func() { m.watch(observing) })
	observers.Go(func() { a.report(observing) })
	result, err := a.measure(ctx)
	stop()
	observers.Wait()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	m.stop()
	for _, u := range m.result(1) {
		result.Memory = append(result.Memory, APIMemory{Process: u.Name, Peak: u.PeakMemory, Error: u.Error})
	}
	return result, nil
}

func (a *APIBench) dial() (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if a.cfg.TLS != nil {
		creds = credentials.NewTLS(a.cfg.TLS)
	}
	return grpc.NewClient(a.cfg.Target, grpc.WithTransportCredentials(creds))
}

func (a *APIBench) measure(ctx context.Context) (r *APIResult, err error) {
	r = &APIResult{}
	for _, m := range a.methods() {
		read, err := a.repeat(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		r.Reads = append(r.Reads, read)
	}
	a.compare(r.Reads)
	if a.cfg.Readers > 0 {
		if r.Readers, err = a.readers(ctx); err != nil {
			return nil, fmt.Errorf("readers: %w", err)
		}
	}
	if a.cfg.Stop > 0 {
		if r.Stopped, err = a.stopped(ctx); err != nil {
			return nil, fmt.Errorf("readers that stop: %w", err)
		}
	}
	return r, nil
}

// compare objects to a reading of everything that has fewer rows than one before
// it: rows are only ever added. A client with a certificate may not be allowed to
// read all that COPY does.
func (a *APIBench) compare(reads []APIRead) {
	most := int64(0)
	for i := range reads {
		r := &reads[i]
		if !r.whole || (r.copied && a.cfg.TLS != nil) {
			continue
		}
		if r.Rows < most && r.Fault == "" {
			r.Fault = fmt.Sprintf("%d rows, after %d by another method", r.Rows, most)
		}
		most = max(most, r.Rows)
	}
}

// method is one way to read.
type method struct {
	name          string
	whole, copied bool
	read          func(ctx context.Context) (reading, error)
}

// reading is the outcome of a read.
type reading struct {
	rows   int64
	client time.Duration // CPU of the client if that is not this process
	fault  string
}

func (a *APIBench) methods() (all []method) {
	if a.copy != nil {
		all = append(all, a.copyMethod(a.copy.name(), 0, 0))
	}
	all = append(all,
		a.columns("QuerySensorRows", &sluicev1.QuerySensorRowsRequest{}, gapless),
		method{name: "GetSensorRows", whole: true, read: func(ctx context.Context) (reading, error) {
			s, err := openRows(ctx, a.conn)
			return a.read(s, err)
		}})
	if a.cfg.ranged() {
		all = append(all, a.rangeMethods()...)
	}
	return all
}

func (a *APIBench) rangeMethods() (all []method) {
	if a.copy != nil {
		all = append(all, a.copyMethod(a.copy.name()+", time range", a.cfg.From, a.cfg.To))
	}
	inRange := func(devices []string, order sluicev1.SensorOrder) *sluicev1.QuerySensorRowsRequest {
		return &sluicev1.QuerySensorRowsRequest{FromEpoch: a.cfg.From, ToEpoch: a.cfg.To, Devices: devices, Order: order}
	}
	all = append(all, a.columns("QuerySensorRows, time range", inRange(nil, 0), ascending))
	if n := len(a.cfg.Devices); n > 0 {
		all = append(all, a.columns(fmt.Sprintf("QuerySensorRows, time range, %d devices", n), inRange(a.cfg.Devices, 0), ascending))
	}
	return append(all, a.columns("QuerySensorRows, time range, by device", inRange(nil, sluicev1.SensorOrder_SENSOR_ORDER_DEVICE_TIME), byDevice))
}

func (a *APIBench) copyMethod(name string, from, to int64) method {
	return method{name: name, whole: from == 0 && to == 0, copied: true, read: func(ctx context.Context) (reading, error) {
		return a.copy.run(ctx, copySQL(from, to), a.seen)
	}}
}

func (a *APIBench) columns(name string, req *sluicev1.QuerySensorRowsRequest, seq sequence) method {
	return method{name: name, whole: seq == gapless, read: func(ctx context.Context) (reading, error) {
		s, err := openColumns(ctx, a.conn, req, seq)
		return a.read(s, err)
	}}
}

func (a *APIBench) read(s *stream, err error) (reading, error) {
	if err != nil {
		return reading{}, err
	}
	err = s.drain(a.seen)
	return reading{rows: s.rows, fault: s.fault}, err
}

// repeat measures a method Runs times.
func (a *APIBench) repeat(ctx context.Context, m method) (APIRead, error) {
	read := APIRead{Method: m.name, whole: m.whole, copied: m.copied}
	for i := range a.cfg.Runs {
		a.begin(fmt.Sprintf("%s, run %d of %d", m.name, i+1, a.cfg.Runs))
		run, fault, err := a.once(ctx, m)
		if err != nil {
			return read, err
		}
		read.Runs, read.Rows = append(read.Runs, run), run.Rows
		if fault != "" {
			read.Fault = fault
		}
	}
	return read, nil
}

// once measures one read.
func (a *APIBench) once(ctx context.Context, m method) (APIRun, string, error) {
	meter := newMeter(a.cfg.Processes, func() []int { return nil })
	meter.begin()
	began := time.Now()
	got, err := m.read(ctx)
	took := time.Since(began)
	meter.stop()
	if err != nil {
		return APIRun{}, "", err
	}
	return meter.apiRun(got, took)
}

// apiRun puts the figures of a read together.
func (m *meter) apiRun(got reading, took time.Duration) (run APIRun, fault string, err error) {
	run = APIRun{Rows: got.rows, Seconds: took.Seconds(), CPU: map[string]float64{}}
	for _, g := range m.gauges {
		name, used := g.Name, g.used
		if g.alone {
			name = clientProcess
			if got.client > 0 {
				used = got.client
			}
		}
		if g.err != nil {
			return run, "", errors.Join(err, g.err)
		}
		run.CPU[name] = perRow(used, got.rows)
	}
	return run, got.fault, nil
}

func perRow(d time.Duration, rows int64) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(max(rows, 1))
}

// seen counts rows that have come.
func (a *APIBench) seen(rows int64) error { a.rows.Add(rows); return nil }

// begin says what is measured from now on.
func (a *APIBench) begin(what string) {
	a.now.Store(&what)
	a.rows.Store(0)
}

// report shows until ctx ends how far the run is.
func (a *APIBench) report(ctx context.Context) {
	eachInterval(ctx, a.cfg.Progress, func(time.Duration) {
		if a.cfg.Progress == nil {
			a.cfg.Logger.Info("progress", "measuring", *a.now.Load(), "rows", a.rows.Load())
			return
		}
		fmt.Fprintf(a.cfg.Progress, "\r\x1b[K%s: %d rows", *a.now.Load(), a.rows.Load())
	})
}
