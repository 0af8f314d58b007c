package device

import (
	"testing"
	"time"
)

func TestOutbox_DropsTheOldest(t *testing.T) {
	o := newOutbox(2)
	for i, want := range []bool{false, false, true} {
		if got := o.add([]byte{byte(i)}); got != want {
			t.Errorf("add %d: dropped is %v, want %v", i, got, want)
		}
	}
	p, before := o.oldest()
	if p.payload[0] != 1 || before != 0 || o.len() != 2 {
		t.Errorf("got payload %d after %d tries, %d kept; want 1, 0, 2", p.payload[0], before, o.len())
	}
	if _, before := o.oldest(); before != 1 {
		t.Errorf("got %d earlier tries, want 1", before)
	}
	o.add([]byte{3}) // drops p while it is on its way
	if o.remove(p) {
		t.Error("remove of a dropped parcel: got true")
	}
	for range 2 {
		p, _ := o.oldest()
		if !o.remove(p) {
			t.Error("remove: got false")
		}
	}
	if p, _ := o.oldest(); p != nil {
		t.Errorf("got %v from an empty outbox", p)
	}
}

func TestWeather_SameSeedSameReadings(t *testing.T) {
	a, b, other := newWeather(7, 1), newWeather(7, 1), newWeather(7, 2)
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	same := true
	for i := range 1000 {
		at := noon.Add(time.Duration(i) * time.Minute)
		ta, ra := a.at(at)
		tb, rb := b.at(at)
		if ta != tb || ra != rb {
			t.Fatalf("step %d: got %v, %v and %v, %v of one seed", i, ta, ra, tb, rb)
		}
		to, _ := other.at(at)
		same = same && ta == to
	}
	if same {
		t.Error("two devices have the same weather")
	}
}
