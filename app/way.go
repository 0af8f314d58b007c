package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"sluice"
	"sluice/presence"
)

// way is how messages come in: from a broker, or by the front door.
type way struct {
	// name is that of its check and of its ingest lease: broker or door.
	name     string
	source   sluice.Source
	door     *sluice.Door // nil for a broker
	register func(prometheus.Registerer)
	close    func() error
}

func (s *BatchRouter) newWay(mux *sluice.Mux, keeper *presence.Keeper, queue queueStore) (way, error) {
	if s.config.Listen.Given() {
		return s.newDoor(mux, keeper, queue)
	}
	source, err := s.newSource(mux, keeper.Sync())
	return way{
		name: "broker", source: source, close: func() error { return nil },
		register: func(reg prometheus.Registerer) { registerSource(reg, source) },
	}, err
}
