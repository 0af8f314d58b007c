package api

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// Kinds of events.
const (
	kindReading  = "reading"
	kindPresence = "presence"
	kindOutage   = "outage"
	kindRoute    = "route"
)

// search finds what has changed since it looked last. One goroutine uses it. It
// holds some 100 bytes for each device.
type search struct {
	store   Store
	timeout time.Duration // of a look

	mark    string
	seed    maphash.Seed
	devices map[key]uint64
	routes  map[key]time.Time // when each was written
}

// key names a device or a route.
type key struct{ facility, name string }

// next returns the changes since the call before. The first finds where everything
// stands, and returns none. After an error the next one returns what this one
// would have.
func (s *search) next(ctx context.Context) ([]*change, error) {
	if s.mark == "" {
		return nil, s.begin(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	mark, err := s.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	devices, sums, err := s.changedDevices(ctx)
	if err != nil {
		return nil, err
	}
	outages, err := s.changedOutages(ctx, devices)
	if err != nil {
		return nil, err
	}
	routes, err := s.changedRoutes(ctx)
	if err != nil {
		return nil, err
	}
	s.mark = mark
	maps.Copy(s.devices, sums)
	return slices.Concat(changesOf(kindPresence, devices), changesOf(kindOutage, outages), changesOf(kindRoute, routes)), nil
}

// begin notes where everything stands.
func (s *search) begin(ctx context.Context) error {
	mark, facilities, err := s.open(ctx)
	if err != nil {
		return err
	}
	s.seed, s.devices, s.routes = maphash.MakeSeed(), map[key]uint64{}, map[key]time.Time{}
	for id := range facilities {
		if err := s.read(ctx, id); err != nil {
			return err
		}
	}
	s.mark = mark
	return nil
}

func (s *search) open(ctx context.Context) (mark string, facilities map[int32]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if mark, err = s.store.Mark(ctx); err == nil {
		facilities, err = s.store.Facilities(ctx)
	}
	return mark, facilities, err
}

// read notes where the devices of a facility stand.
func (s *search) read(ctx context.Context, facility int32) error {
	q := store.DeviceQuery{Facilities: []int32{facility}, AfterFacility: facility, Limit: maxPage}
	for {
		page, err := s.devicePage(ctx, q)
		if err != nil {
			return err
		}
		for _, d := range page {
			s.devices[key{d.Facility, d.Device}] = s.sum(d)
		}
		if len(page) < q.Limit {
			return nil
		}
		q.AfterDevice = page[len(page)-1].Device
	}
}

func (s *search) devicePage(ctx context.Context, q store.DeviceQuery) ([]*sluicev1.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.store.Devices(ctx, q)
}

// changedDevices leaves out those of which nothing changed but when they were seen:
// that is most of what is written.
func (s *search) changedDevices(ctx context.Context) (changed []*sluicev1.Device, sums map[key]uint64, err error) {
	written, err := s.store.ChangedDevices(ctx, s.mark)
	if err != nil {
		return nil, nil, err
	}
	sums = map[key]uint64{}
	for _, d := range written {
		k, sum := key{d.Facility, d.Device}, s.sum(d)
		if was, ok := s.devices[k]; !ok || was != sum {
			changed, sums[k] = append(changed, d), sum
		}
	}
	return changed, sums, nil
}

// sum stands for all of a device but when it was seen.
func (s *search) sum(d *sluicev1.Device) uint64 {
	seen := d.SeenAt
	d.SeenAt = nil
	text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(d) // of our own making
	d.SeenAt = seen
	return maphash.Bytes(s.seed, text)
}

func (s *search) changedOutages(ctx context.Context, of []*sluicev1.Device) ([]*sluicev1.Outage, error) {
	if len(of) == 0 {
		return nil, nil
	}
	return s.store.ChangedOutages(ctx, s.mark, of)
}

func (s *search) changedRoutes(ctx context.Context) (changed []*sluicev1.Route, err error) {
	written, err := s.store.ChangedRoutes(ctx, s.mark)
	if err != nil {
		return nil, err
	}
	for _, r := range written {
		k, at := key{r.Facility, r.Route}, r.UpdatedAt.AsTime()
		if !s.routes[k].Equal(at) {
			changed, s.routes[k] = append(changed, r), at
		}
	}
	return changed, nil
}

func changesOf[T interface {
	proto.Message
	GetFacility() string
}](kind string, messages []T) []*change {
	var found []*change
	for _, m := range messages {
		ch := &change{kind: kind, facility: m.GetFacility()}
		if d, ok := any(m).(interface{ GetDevice() string }); ok {
			ch.device = d.GetDevice()
		}
		ch.data, _ = jsonForm.Marshal(m) // of our own making
		found = append(found, ch)
	}
	return found
}
