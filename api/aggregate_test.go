package api_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/gen/sluicev1"
)

func TestAggregateSensor(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, 70, "plant-1", "plant-2")
	req := &sluicev1.AggregateSensorRequest{BucketSeconds: 20, PageSize: 9}
	var all []*sluicev1.SensorBucket
	n, calls := pages(t, func(token string) (int, string, error) {
		req.PageToken = token
		r, err := c.AggregateSensor(t.Context(), req)
		all = append(all, r.GetBuckets()...)
		return len(r.GetBuckets()), r.GetNextPageToken(), err
	})
	// epoch0 is a multiple of 20; 70 seconds from the next on, of 7 devices.
	if n != 2*7*4 || calls != 7 {
		t.Fatalf("got %d buckets in %d pages, want 56 in 7", n, calls)
	}
	count := int64(0)
	for i, b := range all {
		count += b.Count
		facility, device, epoch := fmt.Sprintf("plant-%d", 1+i/28), fmt.Sprintf("dev-%d", i%28/4), int64(epoch0+i%4*20)
		if b.Facility != facility || b.Device != device || b.Epoch != epoch {
			t.Errorf("bucket %d: got %s, %s, %d, want %s, %s, %d", i, b.Facility, b.Device, b.Epoch, facility, device, epoch)
		}
		if b.RhMin != 50 || b.RhAvg != 50 || b.RhMax != 50 || b.TempAvg != float64(b.TempMin+b.TempMax)/2 {
			t.Errorf("bucket %d: got %v", i, b)
		}
	}
	if count != 140 {
		t.Errorf("the buckets have %d readings, want 140", count)
	}
}

// Without a length there is one bucket for each device, of the readings within the
// bounds.
func TestAggregateSensor_OneBucket(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, 70, "plant-1")
	r, err := c.AggregateSensor(t.Context(), &sluicev1.AggregateSensorRequest{
		Devices: []string{"dev-3"}, FromEpoch: epoch0 + 10, ToEpoch: epoch0 + 31,
	})
	if err != nil || len(r.Buckets) != 1 || r.NextPageToken != "" {
		t.Fatalf("got %v, %v, want one bucket", r, err)
	}
	if b := r.Buckets[0]; b.Epoch != 0 || b.Count != 3 || b.TempMin != 10 || b.TempAvg != 17 || b.TempMax != 24 {
		t.Errorf("got %v, want the readings 10, 17 and 24", b)
	}
}

func TestAggregateSensor_BadArguments(t *testing.T) {
	t.Parallel()
	c, _, _ := newClient(t, 1, "plant-1")
	for field, req := range map[string]*sluicev1.AggregateSensorRequest{
		"facilities[0]":  {Facilities: []string{"+"}},
		"devices[0]":     {Devices: []string{"a/b"}},
		"devices":        {Devices: make([]string, 10_001)},
		"from_epoch":     {FromEpoch: -1},
		"to_epoch":       {FromEpoch: 5, ToEpoch: 5},
		"bucket_seconds": {BucketSeconds: -1},
		"page_size":      {PageSize: -1},
		"page_token":     {PageToken: "x!"},
	} {
		_, err := c.AggregateSensor(t.Context(), req)
		wantArgument(t, field, err, field)
	}
}

// A client gets buckets of the facilities that it may read.
func TestAggregateSensor_OfAClient(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	c := sluicev1.NewSluiceServiceClient(s.as(t, s.ca, time.Now().Add(time.Hour), "sluice://client/analyst"))
	r, err := c.AggregateSensor(t.Context(), &sluicev1.AggregateSensorRequest{PageToken: "eyJmIjoyfQ"}) // {"f":2}
	if err != nil || len(r.Buckets) != 0 {
		t.Errorf("got %v, %v, want nothing", r, err)
	}
	r, err = c.AggregateSensor(t.Context(), &sluicev1.AggregateSensorRequest{})
	if err != nil || len(r.Buckets) != 7 {
		t.Errorf("got %v, %v, want 7 buckets", r, err)
	}
}
