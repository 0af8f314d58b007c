package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// subBits: each power of two is divided into 2^subBits buckets, so a value is
// known to about 3 %.
const (
	subBits = 5
	buckets = (40 - subBits + 1) << subBits // up to 2^40 us, 12 days
)

// histogram counts durations in buckets of growing width. Safe for concurrent
// use; the zero value is empty.
type histogram struct {
	counts [buckets]atomic.Uint64
	max    atomic.Int64 // us
}

// bucketOf returns the bucket of a value in us: exact below 2^subBits, then by
// the highest subBits+1 bits.
func bucketOf(us uint64) int {
	shift := max(bits.Len64(us)-subBits-1, 0)
	return min(shift<<subBits+int(us>>shift), buckets-1)
}

// upper returns the largest value in us that falls into a bucket.
func upper(bucket int) int64 {
	shift := max(bucket>>subBits-1, 0)
	top := int64(bucket - shift<<subBits)
	return (top+1)<<shift - 1
}

// add counts a duration. A negative one counts as 0.
func (h *histogram) add(d time.Duration) {
	us := max(d.Microseconds(), 0)
	h.counts[bucketOf(uint64(us))].Add(1)
	for old := h.max.Load(); us > old && !h.max.CompareAndSwap(old, us); old = h.max.Load() {
	}
}

// Latency is the distribution of a duration, in milliseconds, known to about 3 %
// (Max exactly).
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// summary returns nil when nothing was counted.
func (h *histogram) summary() *Latency {
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	if total == 0 {
		return nil
	}
	return &Latency{
		Count: int64(total),
		P50:   h.quantile(total, 0.50),
		P99:   h.quantile(total, 0.99),
		Max:   float64(h.max.Load()) / 1000,
	}
}

// quantile returns in ms what the share q of all values does not exceed.
func (h *histogram) quantile(total uint64, q float64) float64 {
	rank := uint64(q * float64(total))
	var seen uint64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen > rank {
			return float64(min(upper(i), h.max.Load())) / 1000
		}
	}
	return float64(h.max.Load()) / 1000
}
