package sluice_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sluice"
	"sluice/sluicetest"
)

// A handler of a topic of its own, on a queue and a broker in memory.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	doors := sluice.HandlerFunc(func(_ context.Context, b *sluice.Batch) error {
		for i, m := range b.Messages {
			fmt.Println(b.Capture(i, "door"), "is", string(m.Payload))
		}
		stop()
		return nil
	})

	mux := sluice.NewMux()
	mux.Handle("data/door/{door}", sluice.Policy{Max: 500, Timeout: time.Second}, doors)

	broker := sluicetest.NewBroker(sluicetest.BrokerConfig{Filters: mux.Filters()})
	broker.Publish("data/door/front", []byte("open"))
	broker.Publish("data/door/back", []byte("closed"))
	router := sluice.NewRouter(sluicetest.NewQueue(), mux, sluice.Config{Source: broker, Logger: slog.New(slog.DiscardHandler)})
	if err := router.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// front is open
	// back is closed
}
