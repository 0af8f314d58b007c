package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/gen/sluicev1"
	"sluice/store"
)

// ListDevices implements sluicev1.SluiceServiceServer.
func (s *Server) ListDevices(ctx context.Context, req *sluicev1.ListDevicesRequest) (*sluicev1.ListDevicesResponse, error) {
	if sluicev1.PresenceState_name[int32(req.State)] == "" {
		return nil, argument("state", "%d is unknown", req.State)
	}
	l, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	devices, err := s.c.Store.Devices(ctx, store.DeviceQuery{
		Facilities: l.ids, State: req.State, AfterFacility: l.after.Facility, AfterDevice: l.after.Name, Limit: l.limit,
	})
	if err != nil {
		return nil, err
	}
	next := nextToken(devices, l.limit, func(d *sluicev1.Device) pageKey { return pageKey{Facility: l.id(d.Facility), Name: d.Device} })
	return &sluicev1.ListDevicesResponse{Devices: devices, NextPageToken: next}, nil
}

// ListOutages implements sluicev1.SluiceServiceServer.
func (s *Server) ListOutages(ctx context.Context, req *sluicev1.ListOutagesRequest) (*sluicev1.ListOutagesResponse, error) {
	from, err := timeOf("from", req.From)
	if err != nil {
		return nil, err
	}
	to, err := timeOf("to", req.To)
	if err != nil {
		return nil, err
	}
	l, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	outages, err := s.c.Store.Outages(ctx, store.OutageQuery{
		Facilities: l.ids, Device: req.Device, Open: req.Open, From: from, To: to,
		AfterFacility: l.after.Facility, AfterDown: l.after.At, AfterDevice: l.after.Name, Limit: l.limit,
	})
	if err != nil {
		return nil, err
	}
	next := nextToken(outages, l.limit, func(o *sluicev1.Outage) pageKey {
		return pageKey{Facility: l.id(o.Facility), Name: o.Device, At: o.DownAt.AsTime().UnixMicro()}
	})
	return &sluicev1.ListOutagesResponse{Outages: outages, NextPageToken: next}, nil
}

// ListRoutes implements sluicev1.SluiceServiceServer.
func (s *Server) ListRoutes(ctx context.Context, req *sluicev1.ListRoutesRequest) (*sluicev1.ListRoutesResponse, error) {
	l, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	routes, err := s.c.Store.Routes(ctx, store.RouteQuery{
		Facilities: l.ids, AfterFacility: l.after.Facility, AfterRoute: l.after.Name, Limit: l.limit,
	})
	if err != nil {
		return nil, err
	}
	next := nextToken(routes, l.limit, func(r *sluicev1.Route) pageKey { return pageKey{Facility: l.id(r.Facility), Name: r.Route} })
	return &sluicev1.ListRoutesResponse{Routes: routes, NextPageToken: next}, nil
}

// ListDeadLetters implements sluicev1.SluiceServiceServer.
func (s *Server) ListDeadLetters(ctx context.Context, req *sluicev1.ListDeadLettersRequest) (*sluicev1.ListDeadLettersResponse, error) {
	l, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.PageTimeout)
	defer cancel()
	letters, more, err := s.c.Store.DeadLetters(ctx, store.DeadQuery{
		Facilities: l.ids, Route: req.Route, Device: req.Device, Reason: req.Reason, Before: l.after.At, Limit: l.limit,
	})
	if err != nil {
		return nil, err
	}
	resp := &sluicev1.ListDeadLettersResponse{DeadLetters: letters}
	if more && len(letters) > 0 {
		resp.NextPageToken = pageKey{At: letters[len(letters)-1].Id}.token()
	}
	return resp, nil
}

// timeOf returns the time of a field; zero when it is not set.
func timeOf(field string, t *timestamppb.Timestamp) (time.Time, error) {
	switch {
	case t == nil:
		return time.Time{}, nil
	case !t.IsValid():
		return time.Time{}, argument(field, "is not a time from the year 1 to 9999")
	}
	return t.AsTime(), nil
}
