package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/sluicev1"
)

// MaxRetryAfter is the most that a receiver can make its reports wait.
const MaxRetryAfter = time.Hour

// Config is what reports to one receiver need to know.
type Config struct {
	// Name of the receiver, for events and errors. Required.
	Name string
	// Facility is the name that reports begin with. Required.
	Facility string
	// Grace is how long devices have to come back after a restart of the broker,
	// as the report of it says. Default 0: not said.
	Grace time.Duration
}

// Handler is the sluice.Handler of a receiver's queue: a batch of events is one
// report. It is for a queue of concurrency 1.
type Handler struct {
	config Config
	sender Sender

	mu sync.Mutex
	// last is the delivery as this process knows it: ahead of the batch's note when
	// that could not be kept.
	last progress
}

// New returns a handler that reports through s.
func New(c Config, s Sender) *Handler { return &Handler{config: c, sender: s} }

// Handle implements sluice.Handler. It returns nil when the receiver has accepted
// all of the report, or there is nothing to say; a *sluice.BatchError for
// messages that are no event, once the rest is reported; sluice.Halt when the
// receiver refuses; sluice.RetryAfter when it is busy; any other error to be
// tried again. Parts that were accepted are not sent again.
func (h *Handler) Handle(ctx context.Context, b *sluice.Batch) error {
	events, bad := decode(b)
	if r := Compose(h.config, b.ID.String(), events); r != nil {
		if err := h.deliver(ctx, b, r); err != nil {
			return verdict(fmt.Errorf("report to %s: %w", h.config.Name, err))
		}
	}
	if len(bad) > 0 {
		return &sluice.BatchError{Bad: bad}
	}
	return nil
}

// decode reads the events of a batch and names what is none.
func decode(b *sluice.Batch) (events []*sluicev1.PresenceEvent, bad []sluice.BadMessage) {
	for i := range b.Messages {
		e := new(sluicev1.PresenceEvent)
		if proto.Unmarshal(b.Messages[i].Payload, e) != nil { // its text is not the same every time
			bad = append(bad, sluice.BadMessage{Index: i, Reason: sluice.ReasonDecode, Detail: "no sluice.v1.PresenceEvent"})
			continue
		}
		events = append(events, e)
	}
	return events, bad
}

// deliver sends what of the report has not been sent. The text is kept with the
// batch before the first part is sent, and each part once it is accepted.
func (h *Handler) deliver(ctx context.Context, b *sluice.Batch, r *Report) error {
	p, err := h.begin(ctx, b, r)
	if err != nil {
		return err
	}
	for !p.done() {
		if err := h.sender.Send(ctx, p.part(r)); err != nil {
			return err
		}
		p.accepted()
		h.remember(p)
		// After the last part an error changes nothing: that the batch is done says the
		// same, and is about to be stored.
		if err := keep(ctx, b, p); err != nil && !p.done() {
			return err
		}
	}
	return nil
}

// begin returns the progress of the batch that is furthest, or a new one.
func (h *Handler) begin(ctx context.Context, b *sluice.Batch, r *Report) (progress, error) {
	noted, ok := readNote(b.Note, b.ID)
	own := h.remembered()
	switch {
	case own.Batch == b.ID && own.Sent > noted.Sent:
		if own.done() {
			return own, nil
		}
		return own, keep(ctx, b, own)
	case ok:
		return noted, nil
	}
	texts, err := Split(r.Text(), r.ID, h.sender.Limit())
	if err != nil {
		return progress{}, &RefusedError{err}
	}
	p := progress{Batch: b.ID, Rest: texts}
	return p, keep(ctx, b, p)
}

func keep(ctx context.Context, b *sluice.Batch, p progress) error {
	note, err := p.note()
	if err != nil {
		return err
	}
	if err := b.Keep(ctx, note); err != nil {
		return fmt.Errorf("keep what was sent: %w", err)
	}
	return nil
}

func (h *Handler) remember(p progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = p
}

func (h *Handler) remembered() progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// verdict turns the error of a Sender into what it means for the queue.
func verdict(err error) error {
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return sluice.Halt(err)
	}
	if busy, ok := errors.AsType[*BusyError](err); ok {
		return sluice.RetryAfter(err, min(busy.After, MaxRetryAfter))
	}
	return err
}

// Reported returns an event of kind REPORTED for each outage of a batch that was
// in its report: what a router tells the database once Handle has succeeded. at
// is the time that they say it was accepted. It is pure but for the receiver's
// name.
func (h *Handler) Reported(b *sluice.Batch, at time.Time) (reported []*sluicev1.PresenceEvent) {
	events, _ := decode(b)
	seen := map[outageKey]bool{}
	for _, e := range events {
		if e.Kind != sluicev1.PresenceKind_PRESENCE_KIND_OUTAGE || !wanted(e) || seen[keyOf(e)] {
			continue
		}
		seen[keyOf(e)] = true
		reported = append(reported, &sluicev1.PresenceEvent{
			Kind:   sluicev1.PresenceKind_PRESENCE_KIND_REPORTED,
			Device: e.Device, DownAt: e.DownAt, At: at.UnixMicro(),
			Receiver: h.config.Name, Report: b.ID.String(),
		})
	}
	return reported
}
