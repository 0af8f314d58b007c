package bench

import (
	"context"
	"time"
)

// maxExamples is how many messages of each kind of fault a report names.
const maxExamples = 5

// Rows is what the check found in the table.
type Rows struct {
	// Expected is how many messages the broker took.
	Expected int64 `json:"expected"`
	// Found is how many of the messages have at least one row.
	Found     int64 `json:"found"`
	Missing   int64 `json:"missing"`
	Duplicate int64 `json:"duplicate"` // rows beyond the first of a message
	Wrong     int64 `json:"wrong"`     // rows with other values than were sent, or of no message
	// Examples name some of the missing, duplicate and wrong ones: the device and
	// epoch, or the number.
	Examples map[string][]string `json:"examples,omitempty"`
	// Ids describes the rows' entry_id; nil in a keyless run.
	IDs *IDs `json:"entry_ids,omitempty"`
	// Seconds is from the first PUBLISH until the last row was seen.
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
}

// IDs describes the entry_ids of a run's rows.
type IDs struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	// Gaps counts ids between First and Last that are not rows of the run. There
	// are none unless other devices sent at the same time.
	Gaps int64 `json:"gaps"`
	// OutOfOrder counts rows whose device has a row of a later message with a
	// lower id.
	OutOfOrder int64 `json:"out_of_order"`
}

// audit judges the rows of a run one by one. It needs two bits a message.
type audit struct {
	plan     *plan
	found    bitmap
	rows     Rows
	ids      IDs
	count    int64
	newest   []int32 // per device: 1 + the latest message seen so far
	examples map[string][]string
}

func newAudit(p *plan) *audit {
	return &audit{
		plan:     p,
		found:    newBitmap(p.devices * p.stride),
		newest:   make([]int32, p.devices),
		examples: map[string][]string{},
	}
}

// add judges a row.
func (a *audit) add(r row) {
	if r.index < 0 {
		a.rows.Wrong++
		return
	}
	if a.found.set(r.index) {
		a.rows.Duplicate++
		a.example("duplicate", r.index)
	} else {
		a.rows.Found++
	}
	if r.wrong {
		a.rows.Wrong++
		a.example("wrong", r.index)
	}
	if r.id != 0 {
		a.order(r)
	}
}

// order follows the ids, which come in ascending order.
func (a *audit) order(r row) {
	if a.count == 0 {
		a.ids.First = r.id
	}
	a.ids.Last = r.id
	a.count++
	d, k := r.index/a.plan.stride, int32(r.index%a.plan.stride)
	if k+1 < a.newest[d] {
		a.ids.OutOfOrder++
	}
	a.newest[d] = max(a.newest[d], k+1)
}

func (a *audit) example(kind string, index int) {
	if len(a.examples[kind]) < maxExamples {
		a.examples[kind] = append(a.examples[kind], a.plan.describe(index))
	}
}

// finish counts what is missing. Messages that the broker refused are not
// expected, but may be there.
func (a *audit) finish(refused map[int]bool) Rows {
	for d := range a.plan.devices {
		for k := range a.plan.count(d) {
			index := d*a.plan.stride + k
			if refused[index] {
				continue
			}
			a.rows.Expected++
			if !a.found.has(index) {
				a.rows.Missing++
				a.example("missing", index)
			}
		}
	}
	if a.count > 0 {
		a.ids.Gaps = a.ids.Last - a.ids.First + 1 - a.count
		a.rows.IDs = &a.ids
	}
	if len(a.examples) > 0 {
		a.rows.Examples = a.examples
	}
	return a.rows
}

// inspect reads every row of the run, judges it and dates the sampled ones.
func (b *Bench) inspect(ctx context.Context, t table, seen *visibility) (Rows, *Latency, error) {
	a := newAudit(b.plan)
	var latency histogram
	var before int64
	if s, ok := t.(*sensorTable); ok {
		before = s.before
	}
	err := t.each(ctx, func(r row) {
		a.add(r)
		if r.id == 0 || r.index < 0 {
			return
		}
		sent, timed := b.gen.sampled(r.index)
		at, dated := seen.seen(r.id - before)
		if timed && dated {
			latency.add(at.Sub(b.gen.start) - sent)
		}
	})
	return a.finish(b.gen.refused()), latency.summary(), err
}

// bitmap is a set of small numbers.
type bitmap []uint64

func newBitmap(n int) bitmap { return make(bitmap, (n+63)/64) }

// set adds i and tells whether it was there.
func (b bitmap) set(i int) bool {
	had := b.has(i)
	b[i/64] |= 1 << (i % 64)
	return had
}

func (b bitmap) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }

// rate returns n per second.
func rate(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
