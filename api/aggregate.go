package api

import (
	"context"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// AggregateSensor implements sluicev1.SluiceServiceServer.
func (s *Server) AggregateSensor(ctx context.Context, req *sluicev1.AggregateSensorRequest) (*sluicev1.AggregateSensorResponse, error) {
	if err := checkReadings(req); err != nil {
		return nil, err
	}
	if req.BucketSeconds < 0 {
		return nil, argument("bucket_seconds", "%d is not allowed; use 0 or more", req.BucketSeconds)
	}
	l, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	buckets, more, err := s.c.Store.Buckets(ctx, store.AggregateQuery{
		Facilities: l.ids, Devices: req.Devices, From: req.FromEpoch, To: req.ToEpoch, Seconds: req.BucketSeconds,
		AfterFacility: l.after.Facility, AfterDevice: l.after.Name, AfterEpoch: l.after.At, Limit: l.limit,
	})
	if err != nil {
		return nil, err
	}
	resp := &sluicev1.AggregateSensorResponse{Buckets: buckets}
	if more && len(buckets) > 0 {
		b := buckets[len(buckets)-1]
		resp.NextPageToken = pageKey{Facility: l.id(b.Facility), Name: b.Device, At: b.Epoch}.token()
	}
	return resp, nil
}
