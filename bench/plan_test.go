package bench

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"sluice/gen/msg"
)

func testPlan(t *testing.T, cfg Config) *plan {
	t.Helper()
	cfg.Address = "127.0.0.1:1"
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b.plan
}

func TestPlan_PayloadIsSensorData(t *testing.T) {
	p := testPlan(t, Config{Devices: 12_000, Messages: 36_000})
	for _, d := range []int{0, 9, 9_998, 9_999, 11_999} {
		b := p.payload(d)
		for k := range 3 {
			p.fill(b, d, k)
			got := &msg.SensorData{}
			if err := proto.Unmarshal(b, got); err != nil {
				t.Fatal(err)
			}
			epoch := p.base + int64(k)
			temp, rh := values(d, epoch)
			want := &msg.SensorData{Device: deviceName(d), Temp: temp, Rh: rh, Epoch: epoch}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("device %d, message %d (-want +got):\n%s", d, k, diff)
			}
			canonical, err := proto.MarshalOptions{Deterministic: true}.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(canonical, b); diff != "" {
				t.Errorf("device %d, message %d: bytes (-want +got):\n%s", d, k, diff)
			}
		}
	}
}

func TestPlan_EveryMessageHasItsOwnIndex(t *testing.T) {
	p := testPlan(t, Config{Devices: 7, Messages: 52})
	seen := map[int]bool{}
	for d := range 7 {
		for k := range p.count(d) {
			index, ok := p.index(deviceName(d), p.base+int64(k))
			if !ok || seen[index] || !p.valid(index) {
				t.Errorf("device %d, message %d: got index %d, ok %v, seen %v", d, k, index, ok, seen[index])
			}
			seen[index] = true
		}
		if _, ok := p.index(deviceName(d), p.base+int64(p.count(d))); ok {
			t.Errorf("device %d: an epoch after the last is taken for one of the run", d)
		}
	}
	if len(seen) != 52 {
		t.Errorf("got %d messages, want 52", len(seen))
	}
	for _, name := range []string{"bench-0008", "bench-0000", "bench-1", "bench-+001", "bench-x", "device-0001"} {
		if _, ok := p.index(name, p.base); ok {
			t.Errorf("device %q is taken for one of the run", name)
		}
	}
}

func TestPlan_EpochsAreValid(t *testing.T) {
	for range 1000 {
		p := testPlan(t, Config{Devices: 1, Messages: 10_000_000})
		if last := p.base + int64(p.stride); p.base < minEpoch || last > time.Now().Unix() {
			t.Fatalf("epochs %d to %d are not within 2000 and now", p.base, last)
		}
	}
}

func TestValues_AreFiniteAndDiffer(t *testing.T) {
	same := 0
	for i := range 100_000 {
		temp, rh := values(i%100, minEpoch+int64(i))
		if !(temp > -20 && temp < 44 && temp != 0 && rh > 0 && rh < 100) || math.Float32bits(temp)&0x3ff != 0 {
			t.Fatalf("values %v, %v: out of range or not exact", temp, rh)
		}
		if other, _ := values(i%100, minEpoch+int64(i)+1); other == temp {
			same++
		}
	}
	if same > 100 {
		t.Errorf("%d of 100000 neighbours have the same temperature", same)
	}
}
