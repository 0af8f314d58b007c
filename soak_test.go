package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice"
	"sluice/sluicetest"
)

// TestSoak plays up to soakRuns random histories, but stops after soakTime: the
// race detector and a busy machine make them slow.
const (
	soakRuns = 200
	soakTime = 5 * time.Second
)

// TestSoak_EveryAckedMessageEndsExactlyOnce plays random histories of a site:
// two routers, calls of the store that fail before or after their effect,
// routers killed between any two calls, connections that break, acknowledgements
// that are lost, handlers that fail before or after their commit. Then all is
// well again, and every message must have ended exactly once: as a row, a
// duplicate or a dead letter. SLUICE_SOAK_SEED repeats one history, as far as
// the scheduler lets it.
func TestSoak_EveryAckedMessageEndsExactlyOnce(t *testing.T) {
	t.Parallel()
	runs, seed := soakRuns, uint64(time.Now().UnixNano())
	if testing.Short() {
		runs /= 10
	}
	if text := os.Getenv("SLUICE_SOAK_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		runs, seed = 1, n
	}
	for i, began := 0, time.Now(); i < runs && time.Since(began) < soakTime; i++ {
		t.Run(fmt.Sprint("SLUICE_SOAK_SEED=", seed+uint64(i)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newSoak(t, seed+uint64(i)).run() })
		})
	}
}

// soak is one history.
type soak struct {
	*site
	dice      *dice
	db        *database
	calm      atomic.Bool
	routers   [2]*mortal
	published []string
}

func newSoak(t *testing.T, seed uint64) *soak {
	k := &soak{dice: &dice{rng: rand.New(rand.NewPCG(seed, 0))}}
	k.db = &database{soak: k, applied: map[sluice.BatchID]error{}, ends: map[string]int{}}
	m := sluice.NewMux()
	for i, topic := range []string{"one", "many"} {
		m.Add(sluice.Route{
			Topics: []string{topic}, Handler: k.db, Concurrency: 1 + 2*i, MaxPayload: 60,
			Policy: sluice.Policy{Max: 2 + k.dice.n(20), Timeout: time.Second, Min: 1 + k.dice.n(2)},
		})
	}
	k.site = newSite(t, m, sluicetest.BrokerConfig{ReceiveMaximum: 1 + k.dice.n(30), Group: 1 + k.dice.n(10)})
	return k
}

func (k *soak) run() {
	for i := range k.routers {
		k.routers[i] = k.boot()
	}
	for range 60 {
		k.mishap()
		time.Sleep(time.Duration(k.dice.n(2000)) * ms)
	}
	k.calm.Store(true)
	for i, r := range k.routers {
		if r.dead.Load() {
			k.routers[i] = k.boot()
		}
	}
	for range 600 {
		if k.drained() {
			break
		}
		time.Sleep(time.Second)
	}
	for _, r := range k.routers {
		r.stop()
	}
	k.check()
}

// mishap does one random thing.
func (k *soak) mishap() {
	switch d := k.dice.n(20); {
	case d < 12:
		k.publishSome()
	case d < 14:
		k.broker.Break()
	case d < 15:
		k.broker.FailAck(1)
	case d < 16:
		_ = k.queue.Resume(context.Background(), "one")
	case d < 18:
		k.replace(func(r *mortal) { r.dead.Store(true) })
	default:
		k.replace(func(*mortal) {})
	}
}

// publishSome publishes messages, some of which are bad, duplicate or too large.
func (k *soak) publishSome() {
	for range 1 + k.dice.n(20) {
		kind := []string{"good", "good", "good", "good", "bad", "dup", "large" + strings.Repeat(".", 60)}[k.dice.n(7)]
		topic := []string{"one", "many"}[k.dice.n(2)]
		text := fmt.Sprintf("%s %06d %s", topic, len(k.published), kind)
		k.published = append(k.published, text)
		k.broker.Publish(topic, []byte(text))
	}
}

// replace ends a router, after leave, and boots another in its place.
func (k *soak) replace(leave func(*mortal)) {
	i := k.dice.n(len(k.routers))
	old := k.routers[i]
	leave(old)
	old.cancel() // a process that stops takes its time; the next one does not wait for it
	k.routers[i] = k.boot()
}

// mortal is a router process. Once dead, nothing that it does has an effect but
// commits of handlers that it had begun.
type mortal struct {
	soak   *soak
	dead   atomic.Bool
	cancel context.CancelFunc
	stop   func() // cancel and wait
}

func (k *soak) boot() *mortal {
	r := &mortal{soak: k}
	ctx, cancel := context.WithCancel(context.Background())
	router := sluice.NewRouter(sluicetest.Faulty(k.queue, r.fate), k.mux, k.config(func(c *sluice.Config) {
		c.Source = r
		c.Dead = k.db
		c.ShutdownTimeout = time.Duration(1+k.dice.n(5000)) * ms
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = router.Run(ctx)
	}()
	r.cancel = cancel
	r.stop = func() { cancel(); <-done }
	k.Cleanup(r.stop)
	return r
}

// fate is a sluicetest.Plan.
func (r *mortal) fate(string) sluicetest.Fate {
	if r.dead.Load() {
		return sluicetest.Refuse
	}
	if r.soak.calm.Load() {
		return sluicetest.Pass
	}
	switch d := r.soak.dice.n(1000); {
	case d < 40:
		return sluicetest.Refuse
	case d < 80:
		return sluicetest.Lose
	case d < 83:
		return sluicetest.Hang
	case d < 86: // killed before the call
		r.dead.Store(true)
		return sluicetest.Refuse
	case d < 89: // killed after the call
		r.dead.Store(true)
		return sluicetest.Lose
	}
	return sluicetest.Pass
}

var errKilled = errors.New("killed")

// Open implements sluice.Source.
func (r *mortal) Open(ctx context.Context, l sluice.Lease, obsolete []string) (sluice.Session, error) {
	if r.dead.Load() {
		return nil, errKilled
	}
	s, err := r.soak.broker.Open(ctx, l, obsolete)
	if err != nil {
		return nil, err
	}
	return mortalSession{s, r}, nil
}

type mortalSession struct {
	sluice.Session
	router *mortal
}

func (s mortalSession) Ack(ds []sluice.Delivery) error {
	if s.router.dead.Load() {
		return errKilled
	}
	return s.Session.Ack(ds)
}

// database applies each batch once, with its outcome, as the row stores do.
type database struct {
	soak *soak

	mu      sync.Mutex
	applied map[sluice.BatchID]error
	ends    map[string]int // by payload: how often it ended
	rows    []string       // of the route "one", in order
}

// Handle implements sluice.Handler for the routes and for dead letters.
func (d *database) Handle(ctx context.Context, b *sluice.Batch) error {
	if err := d.trouble(ctx); err != nil {
		return err
	}
	result := d.apply(b)
	if err := d.trouble(ctx); err != nil { // after the commit
		return err
	}
	return result
}

// trouble is what may happen to a handler before and after its commit.
func (d *database) trouble(ctx context.Context) error {
	if d.soak.calm.Load() {
		return nil
	}
	switch d.soak.dice.n(30) {
	case 0:
		return errDown
	case 1:
		return sluice.Halt(errDown)
	case 2:
		panic("handler")
	case 3:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(d.soak.dice.n(40)) * time.Second):
		}
	}
	return nil
}

func (d *database) apply(b *sluice.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if result, ok := d.applied[b.ID]; ok {
		return result
	}
	var result error
	switch {
	case b.Route == sluice.QueueDead:
		for _, m := range b.Messages {
			d.ends[string(decodeLetter(d.soak.T, m).Payload)]++
		}
	case d.soak.dice.n(40) == 0:
		result = sluice.Permanent(errDown)
	default:
		result = d.insert(b)
	}
	d.applied[b.ID] = result
	return result
}

func (d *database) insert(b *sluice.Batch) error {
	e := &sluice.BatchError{}
	for i, m := range b.Messages {
		text := string(m.Payload)
		switch {
		case strings.HasSuffix(text, "bad"):
			e.Bad = append(e.Bad, sluice.BadMessage{Index: i, Reason: sluice.ReasonDecode})
			continue
		case strings.HasSuffix(text, "dup"):
			e.Duplicates++
		case b.Route == "one":
			d.rows = append(d.rows, text)
		}
		d.ends[text]++
	}
	return e
}

// drained tells whether the broker and the store hold nothing any more.
func (k *soak) drained() bool {
	synctest.Wait()
	queued := int64(k.broker.Pending())
	for _, name := range k.store.Queues() {
		queued += k.status(name).Queued()
	}
	return queued == 0
}

func (k *soak) check() {
	if !k.drained() {
		k.Fatalf("not drained after 10 minutes without faults: broker %d, one %+v, many %+v, dead %+v",
			k.broker.Pending(), k.status("one"), k.status("many"), k.status(sluice.QueueDead))
	}
	k.acked(len(k.published))
	for _, text := range k.published {
		if n := k.db.ends[text]; n != 1 {
			k.Errorf("%q ended %d times", text, n)
		}
	}
	if len(k.db.ends) != len(k.published) {
		k.Errorf("%d messages ended, %d were published", len(k.db.ends), len(k.published))
	}
	if !slices.IsSorted(k.db.rows) {
		k.Error("rows of a route of concurrency 1 are out of order")
	}
	// No session was lost. But when the answer to the very first lease was, the
	// first session cannot be told from a lost one.
	if n := k.seen.count(sluice.EventSessionLost); n > 1 {
		k.Errorf("%d sessions lost, want none", n)
	}
}

// dice is a random source for several goroutines.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// n returns a number from 0 to n-1.
func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}
