package liteq

import (
	"encoding/json"
	"fmt"
	"iter"

	"sluice"
	"sluice/internal/roster"
)

// deviceShelf has the devices.
type deviceShelf struct{ devices *roster.Devices }

// deviceRecord is a device as it lies in the file; its name is the key.
type deviceRecord struct {
	State      sluice.DeviceState `json:"state"`
	Generation int64              `json:"generation,omitempty"`
	Connected  int64              `json:"connected,omitempty"`
	Seen       int64              `json:"seen,omitempty"`
	Silent     int64              `json:"silent,omitempty"`
	Deadline   int64              `json:"deadline,omitempty"`
	Due        sluice.Cause       `json:"due,omitempty"`
	Lost       int64              `json:"lost,omitempty"`
	Down       int64              `json:"down,omitempty"`
	DownCause  sluice.Cause       `json:"down_cause,omitempty"`
	DownMuted  bool               `json:"down_muted,omitempty"`
	Outages    []int64            `json:"outages,omitempty"`
	Flapping   bool               `json:"flapping,omitempty"`
	Steady     int64              `json:"steady,omitempty"`
	Muted      int64              `json:"muted,omitempty"`
	Version    int64              `json:"version,omitempty"`
}

func recordOf(d *sluice.Device) *deviceRecord {
	return &deviceRecord{
		State: d.State, Generation: d.Generation, Connected: d.Connected, Seen: d.Seen, Silent: d.Silent,
		Deadline: d.Deadline, Due: d.Due, Lost: d.Lost, Down: d.Down, DownCause: d.DownCause, DownMuted: d.DownMuted,
		Outages: d.Outages, Flapping: d.Flapping, Steady: d.Steady, Muted: d.Muted, Version: d.Version,
	}
}

func (r *deviceRecord) device(name string) sluice.Device {
	return sluice.Device{
		Name: name, State: r.State, Generation: r.Generation, Connected: r.Connected, Seen: r.Seen, Silent: r.Silent,
		Deadline: r.Deadline, Due: r.Due, Lost: r.Lost, Down: r.Down, DownCause: r.DownCause, DownMuted: r.DownMuted,
		Outages: r.Outages, Flapping: r.Flapping, Steady: r.Steady, Muted: r.Muted, Version: r.Version,
	}
}

func (s *deviceShelf) number() byte { return kindDevice }

func (s *deviceShelf) changes() iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		for name, d := range s.devices.Changed() {
			var record *deviceRecord
			if d != nil {
				record = recordOf(d)
			}
			c, err := changeOf([]byte(name), record)
			if !yield(c, err) {
				return
			}
		}
	}
}

func (s *deviceShelf) value(key []byte) ([]byte, error) {
	d := s.devices.Get(string(key))
	if d == nil {
		return nil, nil
	}
	return json.Marshal(recordOf(d))
}

func (s *deviceShelf) apply(c change) error {
	name := string(c.key)
	if c.op == opRemove {
		if s.devices.Get(name) != nil {
			s.devices.Remove(name)
		}
		return nil
	}
	var r deviceRecord
	if err := json.Unmarshal(c.value, &r); err != nil {
		return fmt.Errorf("%w: device %q: %w", errDamaged, name, err)
	}
	s.devices.Load(r.device(name))
	return nil
}
