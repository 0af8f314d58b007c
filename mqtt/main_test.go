package mqtt

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test; only a failing test uses it up.
const patience = 60 * time.Second

func patiently(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func filters(t testing.TB, patterns ...string) []sluice.Filter {
	t.Helper()
	out := make([]sluice.Filter, len(patterns))
	for i, p := range patterns {
		f, err := sluice.ParseFilter(p)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = f
	}
	return out
}

// open opens a session that ends with the test.
func open(t testing.TB, s *Source) *session {
	t.Helper()
	opened, err := s.Open(patiently(t), sluice.Lease{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	return opened.(*session)
}

// testLogger writes to the test's log.
func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// receive returns at least n messages, copied, without acknowledging them.
func receive(t testing.TB, s sluice.Session, n int) []sluice.Delivery {
	t.Helper()
	ctx := patiently(t)
	var all []sluice.Delivery
	for len(all) < n {
		ds, err := s.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(all), n, err)
		}
		all = append(all, clone(ds)...)
	}
	return all
}

// receiveError receives until the session ends and returns why.
func receiveError(t testing.TB, s sluice.Session) error {
	t.Helper()
	ctx := patiently(t)
	for {
		if _, err := s.Receive(ctx); err != nil {
			if ctx.Err() != nil {
				t.Fatal("the session did not end")
			}
			return err
		}
	}
}

func clone(ds []sluice.Delivery) []sluice.Delivery {
	out := make([]sluice.Delivery, len(ds))
	for i, d := range ds {
		d.Topic = append([]byte(nil), d.Topic...)
		d.Payload = append([]byte(nil), d.Payload...)
		d.Subscriptions = append([]uint32(nil), d.Subscriptions...)
		out[i] = d
	}
	return out
}

func ack(t testing.TB, s sluice.Session, ds []sluice.Delivery) {
	t.Helper()
	if err := s.Ack(ds); err != nil {
		t.Fatal(err)
	}
}
