package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/config"
	"sluice/notify"
	"sluice/notify/groupme"
	"sluice/notify/logs"
	"sluice/notify/webhook"
	"sluice/presence"
)

func (s *BatchRouter) newKeeper(store presence.Store) *presence.Keeper {
	p := s.config.Presence
	return presence.New(store, presence.Config{
		Facility: s.config.Facility, Events: p.LWT, MinDelay: p.MinDelay, MaxDelay: p.MaxDelay,
		ReconnectGrace: p.ReconnectGrace, Direct: s.config.Listen.Given(), Logger: s.log,
	})
}

func (s *BatchRouter) newPresence(k *presence.Keeper, db *lazyDatabase, receivers []sluice.Receiver) *sluice.Presence {
	p := s.config.Presence
	return &sluice.Presence{
		Keeper: k, Settings: sluice.PresenceSettings{MaxDevices: p.MaxDevices, Events: p.LWT},
		Devices: db.handler(db.rows.devices), Receivers: receivers,
	}
}

// receivers makes those of the configuration. Their names are unique.
func (s *BatchRouter) receivers() ([]sluice.Receiver, error) {
	var all []sluice.Receiver
	for i, n := range s.config.Notify {
		sender, err := newSender(n, s.log)
		if err != nil {
			return nil, fmt.Errorf("notify[%d]: %w", i, err)
		}
		h := notify.New(notify.Config{Name: n.Name, Facility: s.config.Facility, Grace: s.config.Presence.ReconnectGrace}, sender)
		all = append(all, sluice.Receiver{
			Name: n.Name, Policy: reportPolicy(n.GroupWait), Handler: h,
			Reported: func(b *sluice.Batch) []sluice.Message { return reported(h, b) },
		})
	}
	return all, nil
}

// maxReport bounds the events of one report: a fleet that is larger gets two.
const maxReport = 100_000

// reportPolicy is the batch policy of a receiver's queue.
func reportPolicy(groupWait time.Duration) sluice.Policy {
	return sluice.Policy{Max: maxReport, MaxBytes: 64 << 20, Timeout: groupWait}
}

func newSender(n config.Notify, log *slog.Logger) (notify.Sender, error) {
	switch n.Kind {
	case "groupme":
		return groupme.New(groupme.Config{
			BotID: notify.NewSecret(n.BotID.Reveal()), Base: notify.NewSecret(n.URL.Reveal()), Timeout: n.Timeout,
		})
	case "webhook":
		return webhook.New(webhook.Config{URL: notify.NewSecret(n.URL.Reveal()), Timeout: n.Timeout})
	case "log":
		return logs.New(log.With("receiver", n.Name)), nil
	}
	return nil, fmt.Errorf("kind %q is unknown", n.Kind)
}

// ReceiverResult is what became of a test message.
type ReceiverResult struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Error says why the receiver did not accept it, "" when it did.
	Error string `json:"error,omitempty"`
}

// TestReceivers sends a test message to each receiver, once and to all at the
// same time, and tells what became of it. It needs no router. One of kind log
// writes to log. No result has a secret.
func TestReceivers(ctx context.Context, facility string, receivers []config.Notify, log *slog.Logger) []ReceiverResult {
	results := make([]ReceiverResult, len(receivers))
	var wg sync.WaitGroup
	for i, n := range receivers {
		results[i] = ReceiverResult{Name: n.Name, Kind: n.Kind}
		wg.Go(func() {
			if err := testReceiver(ctx, facility, n, log); err != nil {
				results[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return results
}

func testReceiver(ctx context.Context, facility string, n config.Notify, log *slog.Logger) error {
	sender, err := newSender(n, log)
	if err != nil {
		return err
	}
	return notify.SendTest(ctx, sender, facility)
}

// reported tells the database which outages were in a report.
func reported(h *notify.Handler, b *sluice.Batch) []sluice.Message {
	now := time.Now()
	var ms []sluice.Message
	for _, e := range h.Reported(b, now) {
		payload, err := proto.Marshal(e)
		if err != nil { // cannot be: names are checked, the rest are numbers
			continue
		}
		ms = append(ms, sluice.Message{Topic: sluice.QueueDevices, Payload: payload, Received: now})
	}
	return ms
}
