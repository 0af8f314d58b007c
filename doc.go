// Package sluice carries messages from MQTT devices into handlers in durable
// batches: a message is acknowledged to the broker only after it is stored,
// and a batch is removed only after its handler has accepted it.
//
// The package is the vocabulary, the extension API and the engine. Adapters
// live in packages of their own: the MQTT session in mqtt, the durable queue in
// redisq, the row writer in store/postgres. They import this package; it
// imports the standard library only.
//
// A program registers handlers with a Mux and runs a Router:
//
//	mux := sluice.NewMux()
//	mux.Handle("data/door", sluice.Policy{Max: 500, Timeout: time.Second}, doors)
//	err := sluice.NewRouter(queue, mux, sluice.Config{Source: broker}).Run(ctx)
//
// The life of a message: Source.Receive, Queue.Append, PUBACK, (sealed by size
// or age), Queue.Claim, Handler.Handle, Queue.Complete.
package sluice
