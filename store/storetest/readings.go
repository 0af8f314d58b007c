package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "sluice/gen/sluicev1"
	"sluice/store"
)

// fill stores n readings of each facility and returns all rows: of 7 devices in turn,
// one per second, every tenth an hour late.
func fill(t testing.TB, s Store, n int, facilities ...string) (rows []Row) {
	t.Helper()
	for f, name := range facilities {
		h, id := sensor(t, s, name), facility(t, s, name)
		b := Batch()
		for i := 1; i <= n; i++ {
			epoch := int64(Epoch + i)
			if i%10 == 0 {
				epoch -= 3600
			}
			r := Row{id, int64(i), fmt.Sprintf("dev-%d", i%7), float32(i) / 4, float32(f), epoch}
			rows = append(rows, r)
			b.Messages = append(b.Messages, Message(Payload(r.Device, r.Epoch, r.Temp, r.RH)))
			if len(b.Messages) == 2000 || i == n {
				WantOutcome(t, h.Handle(t.Context(), b), 0)
				b = Batch()
			}
		}
	}
	return rows
}

// chosen is what q chooses of rows, in its order.
func chosen(rows []Row, q store.SensorQuery) []Row {
	rows = filtered(rows, func(r Row) bool {
		return slices.Contains(q.Facilities, r.Facility) && (len(q.Devices) == 0 || slices.Contains(q.Devices, r.Device)) &&
			(q.From == 0 || r.Epoch >= q.From) && (q.To == 0 || r.Epoch < q.To)
	})
	slices.SortFunc(rows, func(a, b Row) int {
		if c := cmp.Compare(a.Facility, b.Facility); c != 0 || !q.ByDevice {
			return cmp.Or(c, cmp.Compare(a.Entry, b.Entry))
		}
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Epoch, b.Epoch))
	})
	return rows
}

func queriesLastEntries(t *testing.T, s Store) {
	fill(t, s, 10, "plant-1")
	facility(t, s, "plant-2")
	got, err := s.LastEntries(t.Context())
	if want := map[int32]int64{1: 10, 2: 0}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func queriesSensor(t *testing.T, s Store) {
	rows := fill(t, s, 9_500, "plant-1", "plant-2")
	facility(t, s, "empty")
	both := []int32{1, 2}
	for name, q := range map[string]store.SensorQuery{
		"all":             {Facilities: []int32{1, 2, 3}},
		"one facility":    {Facilities: []int32{2}},
		"unknown":         {Facilities: []int32{2, 77}},
		"no facility":     {},
		"from":            {Facilities: both, From: Epoch + 9000},
		"to":              {Facilities: both, To: Epoch - 3000},
		"range":           {Facilities: both, From: Epoch + 3000, To: Epoch + 4000},
		"empty range":     {Facilities: both, From: 1, To: 2},
		"devices":         {Facilities: both, Devices: []string{"dev-5", "dev-2", "dev-5", "none"}},
		"unknown device":  {Facilities: both, Devices: []string{"x"}},
		"odd device":      {Facilities: both, Devices: []string{"NULL", `a"b\`, ""}},
		"devices in time": {Facilities: both, Devices: []string{"dev-1"}, From: Epoch + 100, To: Epoch + 4000},
	} {
		for _, byDevice := range []bool{false, true} {
			q.ByDevice = byDevice
			want := chosen(rows, q)
			got := ReadAll(t, s.Sensor(q), 1<<40)
			if diff := gocmp.Diff(want, got); len(want)+len(got) > 0 && diff != "" {
				t.Errorf("%s, by device %t: %d rows, want %d (-want +got):\n%.1000s", name, byDevice, len(got), len(want), diff)
			}
			if few := ReadAll(t, s.Sensor(q), 1234); !slices.Equal(few, want[:min(1234, len(want))]) {
				t.Errorf("%s, by device %t: with a limit of 1234 got %d other rows", name, byDevice, len(few))
			}
		}
	}
}

// What is stored after the first page is not in the stream, in either order, and shifts
// nothing.
func queriesSensorBeginning(t *testing.T, s Store) {
	rows := fill(t, s, 10_000, "plant-1")
	for i, byDevice := range []bool{false, true} {
		q := store.SensorQuery{Facilities: []int32{1}, ByDevice: byDevice}
		r := s.Sensor(q)
		got := ReadAll(t, r, 1000)
		b := Readings("dev-0", Epoch-9999-int64(i)*2000, 999) // at the front, in order of devices
		WantOutcome(t, sensor(t, s, "plant-1").Handle(t.Context(), b), 0)
		want := rowsOf(t, s, 1)[:len(rows)]
		rows = rowsOf(t, s, 1)
		got = append(got, ReadAll(t, r, 1<<40)...)
		if want = chosen(want, q); !slices.Equal(got, want) {
			t.Errorf("by device %t: got %d rows, want the %d of the beginning", byDevice, len(got), len(want))
		}
	}
}

// A reader with bounds gives the entries between them, also with a choice of devices and
// of time.
func queriesSensorAfter(t *testing.T, s Store) {
	rows := fill(t, s, 9000, "plant-1", "plant-2", "plant-3")
	after, last := map[int32]int64{1: 4500, 3: 9000}, map[int32]int64{1: 8999, 2: 10, 3: 9000}
	for _, q := range []store.SensorQuery{
		{},
		{Devices: []string{"dev-1", "dev-6"}},
		{From: Epoch + 4000, To: Epoch + 8500},
		{Devices: []string{"dev-1", "dev-6"}, From: Epoch + 4000, To: Epoch + 8500},
	} {
		q.Facilities = []int32{3, 1, 2}
		want := filtered(chosen(rows, q), func(r Row) bool { return r.Entry > after[r.Facility] && r.Entry <= last[r.Facility] })
		q.After, q.Last = after, last
		if got := ReadAll(t, s.Sensor(q), 1<<40); !slices.Equal(got, want) {
			t.Errorf("%v, %d to %d: got %d rows, want %d", q.Devices, q.From, q.To, len(got), len(want))
		}
	}
}

// More slow readers than there are connections hold nothing between two pages: neither
// each other up nor a writer.
func queriesSensorSlow(t *testing.T, s Store) {
	rows := fill(t, s, 10_000, "plant-1")
	var readers []Reader
	for range 50 {
		r := s.Sensor(store.SensorQuery{Facilities: []int32{1}})
		ReadAll(t, r, 1000)
		readers = append(readers, r)
	}
	WantOutcome(t, sensor(t, s, "plant-1").Handle(t.Context(), Readings("late", Epoch, 10)), 0)
	for _, r := range readers {
		if got := ReadAll(t, r, 1<<40); !slices.Equal(got, rows[1000:]) {
			t.Errorf("got %d rows, want 9000", len(got))
		}
	}
}

// allBuckets reads pages of q.Limit to the end.
func allBuckets(t testing.TB, s Store, q store.AggregateQuery) (all []*pb.SensorBucket) {
	t.Helper()
	for range 100_000 {
		page, more, err := s.Buckets(t.Context(), q)
		must(t, err)
		if len(page) > q.Limit {
			t.Fatalf("got %d buckets, want at most %d", len(page), q.Limit)
		}
		all = append(all, page...)
		if !more {
			return all
		}
		last := page[len(page)-1]
		q.AfterFacility, q.AfterDevice, q.AfterEpoch = numbers[last.Facility], last.Device, last.Epoch
	}
	t.Fatal("the pages have no end")
	return nil
}

// grouped is what q makes of rows.
func grouped(rows []Row, q store.AggregateQuery) (buckets []*pb.SensorBucket) {
	rows = chosen(rows, store.SensorQuery{Facilities: q.Facilities, Devices: q.Devices, From: q.From, To: q.To, ByDevice: true})
	for _, r := range rows {
		begin := int64(0)
		if q.Seconds > 0 {
			begin = r.Epoch / q.Seconds * q.Seconds
		}
		facility := fmt.Sprintf("plant-%d", r.Facility)
		n := len(buckets) - 1
		if n < 0 || buckets[n].Facility != facility || buckets[n].Device != r.Device || buckets[n].Epoch != begin {
			n++
			buckets = append(buckets, &pb.SensorBucket{
				Facility: facility, Device: r.Device, Epoch: begin, TempMin: r.Temp, TempMax: r.Temp, RhMin: r.RH, RhMax: r.RH,
			})
		}
		join(buckets[n], r)
	}
	for _, b := range buckets { // until here they are sums
		b.TempAvg, b.RhAvg = b.TempAvg/float64(b.Count), b.RhAvg/float64(b.Count)
	}
	return buckets
}

func join(b *pb.SensorBucket, r Row) {
	b.Count++
	b.TempMin, b.TempMax, b.TempAvg = min(b.TempMin, r.Temp), max(b.TempMax, r.Temp), b.TempAvg+float64(r.Temp)
	b.RhMin, b.RhMax, b.RhAvg = min(b.RhMin, r.RH), max(b.RhMax, r.RH), b.RhAvg+float64(r.RH)
}

func queriesBuckets(t *testing.T, s Store) {
	fill(t, s, 3000, "plant-1", "plant-2")
	facility(t, s, "empty")
	b := Batch()
	for i := range 26 {
		b.Messages = append(b.Messages, Message(Payload(string(rune('A'+i))+".x", store.DefaultEpochMin+int64(i), float32(i), float32(i))))
	}
	WantOutcome(t, sensor(t, s, "plant-2").Handle(t.Context(), b), 0)
	rows := rowsOf(t, s, 1, 2)
	both := []int32{2, 3, 1}
	many := []string{"dev-1", "dev-1", "zzz"}
	for i := range 2500 {
		many = append(many, fmt.Sprintf("dev-%d", 2500-i), fmt.Sprintf("a-%d", i))
	}
	for name, q := range map[string]store.AggregateQuery{
		"one for all":     {Facilities: both},
		"minutes":         {Facilities: both, Seconds: 60},
		"seconds":         {Facilities: []int32{2}, Seconds: 1},
		"odd":             {Facilities: both, Seconds: 777},
		"longest":         {Facilities: both, Seconds: math.MaxInt64},
		"from":            {Facilities: both, Seconds: 60, From: Epoch + 2000},
		"to":              {Facilities: both, Seconds: 60, To: Epoch - 3000},
		"within a bucket": {Facilities: both, Seconds: 3600, From: Epoch + 10, To: Epoch + 90},
		"one, bounded":    {Facilities: both, From: Epoch + 10, To: Epoch + 90},
		"empty range":     {Facilities: both, Seconds: 60, From: 1, To: 2},
		"devices":         {Facilities: both, Seconds: 60, Devices: []string{"dev-5", "dev-2", "none"}},
		"many devices":    {Facilities: both, Seconds: 600, Devices: many},
		"devices in time": {Facilities: both, Seconds: 60, Devices: []string{"C.x", "dev-0"}, From: Epoch + 100, To: Epoch + 900},
		"no such device":  {Facilities: both, Devices: []string{"none"}},
		"no facility":     {Seconds: 60},
	} {
		want := grouped(rows, q)
		for _, q.Limit = range []int{97, 1000} {
			got := allBuckets(t, s, q)
			if diff := gocmp.Diff(want, got, protocmp.Transform()); len(want)+len(got) > 0 && diff != "" {
				t.Errorf("%s, by pages of %d: %d buckets, want %d (-want +got):\n%.2000s", name, q.Limit, len(got), len(want), diff)
			}
		}
	}
}

// A place of another call leads to nothing that this one leaves out.
func queriesBucketsAfter(t *testing.T, s Store) {
	fill(t, s, 100, "plant-1")
	for _, q := range []store.AggregateQuery{
		{AfterFacility: 1, AfterDevice: "dev-3", AfterEpoch: 1<<63 - 1},
		{AfterFacility: 1, AfterDevice: "dev-4", AfterEpoch: -1 << 63},
		{AfterFacility: 1, AfterDevice: "dev-34"},
		{AfterFacility: 9, AfterDevice: "dev-4"},
	} {
		q.Facilities, q.Devices, q.Limit = []int32{1}, []string{"dev-2", "dev-3", "dev-5"}, 10
		got, more, err := s.Buckets(t.Context(), q)
		if err != nil || more {
			t.Fatalf("%+v: got %t, %v", q, more, err)
		}
		if i := slices.IndexFunc(got, func(b *pb.SensorBucket) bool {
			return !slices.Contains(q.Devices, b.Device) || b.Device < "dev-3"
		}); i >= 0 {
			t.Errorf("%+v: got %v", q, got[i])
		}
	}
}
