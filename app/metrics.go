package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sluice"
)

// newRegistry returns a registry with the process's own metrics.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// routerMetrics counts what one router does. The label route is the name of a
// queue, which the operator chose; nothing that a device sends becomes a label.
type routerMetrics struct {
	received, stored, duplicate *prometheus.CounterVec
	dead, dropped               *prometheus.CounterVec
	retries                     *prometheus.CounterVec
	groupSize                   prometheus.Histogram
	appendSeconds               prometheus.Histogram
	batchSize, batchSeconds     *prometheus.HistogramVec
	events                      *prometheus.CounterVec
	lastAppended                prometheus.Gauge
	lastStored                  *prometheus.GaugeVec
}

func newRouterMetrics(reg prometheus.Registerer) *routerMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "sluice", Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "sluice", Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "sluice", Name: name, Help: help, Buckets: buckets}, labels)
		reg.MustRegister(h)
		return h
	}
	sizes := prometheus.ExponentialBuckets(1, 4, 8)
	seconds := prometheus.ExponentialBuckets(0.0005, 4, 9)
	return &routerMetrics{
		received:      counter("received_total", "Messages received from the broker and durably queued, refused or dropped by this process.", "route"),
		stored:        counter("stored_total", "Messages that a handler of this process accepted.", "route"),
		duplicate:     counter("duplicate_total", "Messages that had been stored before.", "route"),
		dead:          counter("dead_total", "Messages that became dead letters, those above the quota of their device included.", "route", "reason"),
		dropped:       counter("dropped_total", "Messages acknowledged and not stored.", "route", "cause"),
		retries:       counter("batch_retries_total", "Batches that failed and will be tried again.", "route"),
		groupSize:     histogram("group_messages", "Messages per append.", sizes).WithLabelValues().(prometheus.Histogram),
		appendSeconds: histogram("append_seconds", "Time until a group was durable, retries included.", seconds).WithLabelValues().(prometheus.Histogram),
		batchSize:     histogram("batch_messages", "Messages per batch.", sizes, "route"),
		batchSeconds:  histogram("batch_seconds", "Time that the handler took for a batch.", seconds, "route"),
		events:        counter("ingest_events_total", "Events of the broker session.", "event"),
		lastAppended:  gauge("last_append_timestamp_seconds", "When a group was last made durable.").WithLabelValues(),
		lastStored:    gauge("last_success_timestamp_seconds", "When a batch was last completed.", "route"),
	}
}

// Appended implements sluice.Observer.
func (m *routerMetrics) Appended(g *sluice.Group, took time.Duration) {
	total := 0
	for _, p := range g.Parts {
		m.received.WithLabelValues(p.Queue).Add(float64(p.Frame.Count))
		total += p.Frame.Count
	}
	for _, d := range g.Drops {
		m.received.WithLabelValues(d.Route).Add(float64(d.Count))
		m.dropped.WithLabelValues(d.Route, d.Cause).Add(float64(d.Count))
	}
	for _, d := range g.Dead {
		m.received.WithLabelValues(d.Route).Inc()
		m.dead.WithLabelValues(d.Route, d.Reason).Inc()
	}
	m.groupSize.Observe(float64(total))
	m.appendSeconds.Observe(took.Seconds())
	m.lastAppended.SetToCurrentTime()
}

// Handled implements sluice.Observer.
func (m *routerMetrics) Handled(route string, n int, o sluice.Outcome, took time.Duration) {
	m.stored.WithLabelValues(route).Add(float64(o.Stored))
	m.duplicate.WithLabelValues(route).Add(float64(o.Duplicate))
	for _, d := range o.Dead {
		m.dead.WithLabelValues(route, d.Reason).Inc()
	}
	for cause, count := range o.Dropped {
		m.dropped.WithLabelValues(route, cause).Add(float64(count))
	}
	m.batchSize.WithLabelValues(route).Observe(float64(n))
	m.batchSeconds.WithLabelValues(route).Observe(took.Seconds())
	m.lastStored.WithLabelValues(route).SetToCurrentTime()
}

// Retried implements sluice.Observer.
func (m *routerMetrics) Retried(route string, _ error) { m.retries.WithLabelValues(route).Inc() }

// Event implements sluice.Observer.
func (m *routerMetrics) Event(e sluice.Event) { m.events.WithLabelValues(string(e)).Inc() }

// queueCollector reports the queues as the store sees them, at most once a
// second however often it is scraped.
type queueCollector struct {
	statuses func(context.Context) ([]sluice.QueueStatus, error)
	queued   *prometheus.Desc
	bytes    *prometheus.Desc
	oldest   *prometheus.Desc
	halted   *prometheus.Desc

	mu   sync.Mutex
	at   time.Time
	last []sluice.QueueStatus
}

func newQueueCollector(statuses func(context.Context) ([]sluice.QueueStatus, error)) *queueCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sluice_"+name, help, append([]string{"route"}, labels...), nil)
	}
	return &queueCollector{
		statuses: statuses,
		queued:   desc("queued_messages", "Messages in the queue, by the state of their batch; all replicas report the same store.", "state"),
		bytes:    desc("queued_bytes", "Bytes that the queue's messages occupy."),
		oldest:   desc("oldest_queued_age_seconds", "Age of the oldest message still queued."),
		halted:   desc("route_halted", "1 while the route waits for an operator."),
	}
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.queued, c.bytes, c.oldest, c.halted} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. A store that does not answer leaves
// the series out.
func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, s := range c.fresh() {
		gauge(c.queued, float64(s.Open), s.Queue, "open")
		gauge(c.queued, float64(s.Sealed), s.Queue, "sealed")
		gauge(c.queued, float64(s.Claimed), s.Queue, "claimed")
		gauge(c.queued, float64(s.Retry), s.Queue, "retry")
		gauge(c.bytes, float64(s.Bytes), s.Queue)
		gauge(c.oldest, s.OldestAge.Seconds(), s.Queue)
		gauge(c.halted, oneIf(s.Halted != ""), s.Queue)
	}
}

func (c *queueCollector) fresh() []sluice.QueueStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < time.Second {
		return c.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	statuses, err := c.statuses(ctx)
	if err != nil {
		return nil
	}
	c.at, c.last = time.Now(), statuses
	return statuses
}
