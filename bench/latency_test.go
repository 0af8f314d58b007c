package bench

import (
	"testing"
	"time"
)

func TestHistogram_BucketsAreWithinThreePercent(t *testing.T) {
	for us := int64(0); us < 1<<39; us += 1 + us/97 {
		top := upper(bucketOf(uint64(us)))
		if top < us || float64(top-us) > 0.032*float64(us) {
			t.Fatalf("%d us falls into a bucket up to %d us", us, top)
		}
	}
}

func TestHistogram_Summary(t *testing.T) {
	var h histogram
	if h.summary() != nil {
		t.Error("an empty histogram has a summary")
	}
	for ms := range 1000 {
		h.add(time.Duration(ms+1) * time.Millisecond)
	}
	h.add(-time.Second)
	s := h.summary()
	near := func(got, want float64) bool { return got >= want*0.97 && got <= want*1.04 }
	if s.Count != 1001 || !near(s.P50, 500) || !near(s.P99, 990) || s.Max != 1000 {
		t.Errorf("got %+v, want 1001 values, p50 500, p99 990, max 1000 ms", *s)
	}
}
