package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"sluice"
	pb "sluice/gen/sluicev1"
	"sluice/store"
)

// Readings at random, many of them twice or with other values, become the rows of a plain
// model, and whatever is asked of them, by pages of any size, is what the model says.
func readingsModelled(t *testing.T, s Store) {
	var last atomic.Int32
	rapid.Check(t, func(rt *rapid.T) {
		m := readingsModel{t: t, s: s, taken: map[readingKey]Row{}}
		for range 2 {
			id := last.Add(1)
			if got := facility(t, s, fmt.Sprintf("plant-%d", id)); got != id {
				t.Fatalf("facility %d has number %d", id, got)
			}
			m.ids = append(m.ids, id)
		}
		for range rapid.IntRange(0, 4).Draw(rt, "batches") {
			m.write(rt)
		}
		for range 4 {
			m.read(rt)
			m.aggregate(rt)
		}
	})
}

// readingKey is what a reading is known by.
type readingKey struct {
	facility int32
	device   string
	epoch    int64
}

// readingsModel is what a store is to have of two facilities.
type readingsModel struct {
	t     *testing.T
	s     Store
	ids   []int32
	rows  []Row // of both
	taken map[readingKey]Row
}

// Names of which each database might think that it comes first.
var drawnDevices = rapid.SampledFrom([]string{"a", "a-", "a.b", "aa", "A", "B", "b", "0", "9z"})

// write hands a batch to the sink of one facility.
func (m *readingsModel) write(rt *rapid.T) {
	id := rapid.SampledFrom(m.ids).Draw(rt, "facility")
	b, duplicates := Batch(), 0
	var bad []sluice.BadMessage
	for i := range rapid.IntRange(1, 30).Draw(rt, "readings") {
		r := Row{
			Facility: id, Device: drawnDevices.Draw(rt, "device"), Epoch: Epoch + rapid.Int64Range(0, 12).Draw(rt, "epoch"),
			Temp: float32(rapid.IntRange(-1, 1).Draw(rt, "temp")) / 4, RH: 50,
		}
		b.Messages = append(b.Messages, Message(Payload(r.Device, r.Epoch, r.Temp, r.RH)))
		switch there, ok := m.taken[readingKey{id, r.Device, r.Epoch}]; {
		case !ok:
			m.add(r)
		case there.Temp == r.Temp:
			duplicates++
		default:
			bad = append(bad, conflictAt(i, r.Device))
		}
	}
	WantOutcome(m.t, m.s.NewSensor(id, time.Time{}, 0).Handle(m.t.Context(), b), duplicates, bad...)
}

func (m *readingsModel) add(r Row) {
	r.Entry = m.last(r.Facility) + 1
	m.rows = append(m.rows, r)
	m.taken[readingKey{r.Facility, r.Device, r.Epoch}] = r
}

// last is the highest entry of a facility.
func (m *readingsModel) last(facility int32) (last int64) {
	for _, r := range m.rows {
		if r.Facility == facility {
			last = max(last, r.Entry)
		}
	}
	return last
}

// Choices that both kinds of questions have.
var (
	drawnChoice = rapid.SliceOfN(drawnDevices, 0, 3)
	drawnBound  = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(Epoch-1, Epoch+14))
)

// facilities are some of the two, in any order, and one that is not there.
func (m *readingsModel) facilities(rt *rapid.T) []int32 {
	ids := rapid.Permutation(append(slices.Clone(m.ids), 1<<30)).Draw(rt, "facilities")
	return ids[:rapid.IntRange(0, 3).Draw(rt, "of them")]
}

// bounds are entries of each facility.
func (m *readingsModel) bounds(rt *rapid.T, what string) map[int32]int64 {
	if rapid.Bool().Draw(rt, "no "+what) {
		return nil
	}
	all := map[int32]int64{}
	for _, id := range m.ids {
		if rapid.IntRange(0, 3).Draw(rt, what+" is there") > 0 {
			all[id] = rapid.Int64Range(0, m.last(id)).Draw(rt, what)
		}
	}
	return all
}

// read asks for readings.
func (m *readingsModel) read(rt *rapid.T) {
	q := store.SensorQuery{
		Facilities: m.facilities(rt), Devices: drawnChoice.Draw(rt, "devices"), From: drawnBound.Draw(rt, "from"), To: drawnBound.Draw(rt, "to"),
		ByDevice: rapid.Bool().Draw(rt, "by device"),
	}
	if !q.ByDevice { // After and Last are of the order of entry
		q.After, q.Last = m.bounds(rt, "after"), m.bounds(rt, "last")
	}
	want := filtered(chosen(m.rows, q), func(r Row) bool {
		return r.Entry > q.After[r.Facility] && (q.Last == nil || r.Entry <= q.Last[r.Facility])
	})
	size := rapid.SampledFrom([]int64{1, 2, 3, 7, 1000}).Draw(rt, "page")
	if got := m.pages(q, size); !slices.Equal(got, want) {
		rt.Fatalf("%+v by pages of %d (-want +got):\n%s", q, size, gocmp.Diff(want, got))
	}
}

// pages reads pages of at most size rows to the end.
func (m *readingsModel) pages(q store.SensorQuery, size int64) (rows []Row) {
	r := m.s.Sensor(q)
	for {
		page, err := r.Page(m.t.Context(), size)
		must(m.t, err)
		if len(page) == 0 {
			return rows
		}
		before := len(rows)
		for _, c := range page {
			for i := range c.EntryId {
				rows = append(rows, Row{c.FacilityId, c.EntryId[i], c.Device[i], c.Temp[i], c.Rh[i], c.Epoch[i]})
			}
		}
		if n := len(rows) - before; n == 0 || int64(n) > size {
			m.t.Fatalf("a page of %d has %d rows", size, n)
		}
	}
}

// aggregate asks for buckets.
func (m *readingsModel) aggregate(rt *rapid.T) {
	q := store.AggregateQuery{
		Facilities: m.facilities(rt), Devices: drawnChoice.Draw(rt, "devices"), From: drawnBound.Draw(rt, "from"), To: drawnBound.Draw(rt, "to"),
		Seconds: rapid.SampledFrom([]int64{0, 1, 3, 7, 60}).Draw(rt, "seconds"), Limit: rapid.IntRange(1, 9).Draw(rt, "limit"),
	}
	want, got := grouped(m.rows, q), m.buckets(q)
	if diff := gocmp.Diff(want, got, protocmp.Transform()); len(want)+len(got) > 0 && diff != "" {
		rt.Fatalf("%+v (-want +got):\n%s", q, diff)
	}
}

// buckets reads pages of q.Limit to the end.
func (m *readingsModel) buckets(q store.AggregateQuery) (all []*pb.SensorBucket) {
	for more := true; more; {
		var page []*pb.SensorBucket
		var err error
		page, more, err = m.s.Buckets(m.t.Context(), q)
		must(m.t, err)
		if len(page) > q.Limit || more && len(page) == 0 {
			m.t.Fatalf("a page of %d has %d buckets, more: %t", q.Limit, len(page), more)
		}
		for _, b := range page {
			q.AfterFacility, q.AfterDevice, q.AfterEpoch = facilityOf(m.t, b.Facility), b.Device, b.Epoch
		}
		all = append(all, page...)
	}
	return all
}

// facilityOf is the number in the name of a facility.
func facilityOf(t testing.TB, name string) int32 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimPrefix(name, "plant-"), 10, 32)
	must(t, err)
	return int32(n)
}
