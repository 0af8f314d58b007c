package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice"
)

func TestQueueCollector(t *testing.T) {
	t.Parallel()
	statuses := func(context.Context) ([]sluice.QueueStatus, error) {
		return []sluice.QueueStatus{
			{Queue: "data/sensor", Open: 1, Sealed: 2, Claimed: 3, Retry: 4, Bytes: 500, OldestAge: 1500 * time.Millisecond},
			{Queue: "$notify/hook", Retry: 1, Halted: "it answered 403"},
		}, nil
	}
	got := scrape(t, newQueueCollector(statuses))
	for _, line := range []string{
		`sluice_queued_messages{route="data/sensor",state="open"} 1`,
		`sluice_queued_messages{route="data/sensor",state="sealed"} 2`,
		`sluice_queued_messages{route="data/sensor",state="claimed"} 3`,
		`sluice_queued_messages{route="data/sensor",state="retry"} 4`,
		`sluice_queued_bytes{route="data/sensor"} 500`,
		`sluice_oldest_queued_age_seconds{route="data/sensor"} 1.5`,
		`sluice_route_halted{route="data/sensor"} 0`,
		`sluice_queued_messages{route="$notify/hook",state="retry"} 1`,
		`sluice_route_halted{route="$notify/hook"} 1`,
	} {
		if !slices.Contains(got, line) {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Logf("got %q", got)
	}
}

// However often it is scraped, the store is asked once a second.
func TestQueueCollector_AsksOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, fault := 0, error(nil)
		c := newQueueCollector(func(context.Context) ([]sluice.QueueStatus, error) {
			calls++
			return []sluice.QueueStatus{{Queue: "q"}}, fault
		})
		first := scrape(t, c)
		if again := scrape(t, c); calls != 1 || !cmp.Equal(first, again) {
			t.Errorf("got %d calls, then %q", calls, again)
		}
		<-time.After(time.Second)
		if later := scrape(t, c); calls != 2 || !cmp.Equal(first, later) {
			t.Errorf("got %d calls, then %q", calls, later)
		}
		fault = errors.New("redis is away")
		<-time.After(time.Second)
		if away := scrape(t, c); away != nil {
			t.Errorf("got %q of a store that is away, want nothing", away)
		}
	})
}
