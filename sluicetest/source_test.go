package sluicetest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice"
	"sluice/sluicetest"
)

func open(t *testing.T, b *sluicetest.Broker, resumed bool) sluice.Session {
	t.Helper()
	s, err := b.Open(t.Context(), sluice.Lease{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Resumed() != resumed {
		t.Errorf("resumed is %v, want %v", s.Resumed(), resumed)
	}
	return s
}

// receive returns what one Receive gives, and it in words: packet id, DUP, payload.
func receive(t *testing.T, s sluice.Session) (ds []sluice.Delivery, words []string) {
	t.Helper()
	ds, err := s.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		words = append(words, fmt.Sprintf("%d %v %s", d.PacketID, d.Dup, d.Payload))
	}
	return ds, words
}

func TestBroker_SendsAgainWhatWasNotAcked(t *testing.T) {
	t.Parallel()
	b := sluicetest.NewBroker(sluicetest.BrokerConfig{ReceiveMaximum: 2})
	b.Publish("t", []byte("a"), []byte("b"), []byte("c"))
	s := open(t, b, false)
	ds, got := receive(t, s)
	if diff := cmp.Diff([]string{"1 false a", "2 false b"}, got); diff != "" {
		t.Errorf("within the receive maximum (-want +got):\n%s", diff)
	}
	if err := s.Ack(ds[:1]); err != nil {
		t.Fatal(err)
	}
	_, got = receive(t, s)
	if diff := cmp.Diff([]string{"3 false c"}, got); diff != "" {
		t.Errorf("after an ack (-want +got):\n%s", diff)
	}
	if got := string(ds[1].Payload); got == "b" {
		t.Error("a delivery outlived the next Receive")
	}
	taken := open(t, b, true)
	if _, err := s.Receive(t.Context()); err == nil {
		t.Error("the old connection still receives")
	}
	if err := s.Ack(ds[1:]); err == nil {
		t.Error("the old connection still acknowledges")
	}
	ds, got = receive(t, taken)
	if diff := cmp.Diff([]string{"2 true b", "3 true c"}, got); diff != "" {
		t.Errorf("sent again (-want +got):\n%s", diff)
	}
	if err := taken.Ack(ds); err != nil || b.Pending() != 0 || len(b.Acked()) != 3 || b.Err() != nil {
		t.Errorf("ack: %v; %d pending, %d acked, %v", err, b.Pending(), len(b.Acked()), b.Err())
	}
}

func TestBroker_OneCopyPerSubscription(t *testing.T) {
	t.Parallel()
	m := sluice.NewMux()
	m.Handle("a/#", sluice.Policy{}, sluice.HandlerFunc(nil))
	m.Handle("a/+", sluice.Policy{}, sluice.HandlerFunc(nil))
	b := sluicetest.NewBroker(sluicetest.BrokerConfig{Filters: m.Filters()})
	for topic, want := range map[string]int{"a/b": 2, "a/b/c": 1, "b": 0} {
		if got := b.Publish(topic, nil); got != want {
			t.Errorf("%d copies of a message on %s, want %d", got, topic, want)
		}
	}
}

func TestBroker_LoseForgetsTheSession(t *testing.T) {
	t.Parallel()
	b := sluicetest.NewBroker(sluicetest.BrokerConfig{})
	b.Publish("t", []byte("a"))
	receive(t, open(t, b, false))
	b.Publish("t", []byte("b"))
	b.Lose()
	if n := b.Pending(); n != 0 || b.Connected() {
		t.Errorf("%d messages pending, connected %v", n, b.Connected())
	}
	s := open(t, b, false)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	open(t, b, true)
}

func TestBroker_MarkComesBehindWhatIsQueued(t *testing.T) {
	t.Parallel()
	b := sluicetest.NewBroker(sluicetest.BrokerConfig{Sync: "sync", ReceiveMaximum: 2})
	b.Publish("t", []byte("a"), []byte("b"), []byte("c"))
	s := open(t, b, false)
	if err := s.Mark([]byte("mark")); err != nil {
		t.Fatal(err)
	}
	b.Publish("t", []byte("d"))
	var got []string
	for len(got) < 5 {
		ds, _ := receive(t, s)
		for _, d := range ds {
			got = append(got, fmt.Sprintf("%s %s %d", d.Topic, d.Payload, d.QoS))
		}
		if err := s.Ack(ds); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"t a 1", "t b 1", "t c 1", "sync mark 1", "t d 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	open(t, b, true)
	if err := s.Mark(nil); err == nil || b.Pending() != 0 {
		t.Errorf("the old connection still marks: error %v, %d messages", err, b.Pending())
	}
}

func TestBroker_NotesAcksThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		acks []int
		ok   bool
	}{{"in order", []int{0, 1}, true}, {"out of order", []int{1, 0}, false}, {"twice", []int{0, 0}, false}} {
		b := sluicetest.NewBroker(sluicetest.BrokerConfig{})
		b.Publish("t", []byte("a"), []byte("b"))
		s := open(t, b, false)
		ds, _ := receive(t, s)
		for _, i := range tt.acks {
			if err := s.Ack(ds[i : i+1]); err != nil {
				t.Error(err)
			}
		}
		if err := b.Err(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestBroker_ReceiveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := sluicetest.NewBroker(sluicetest.BrokerConfig{})
	s := open(t, b, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Receive(ctx); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.Publish("t", []byte("a"))
	if _, got := receive(t, s); len(got) != 1 {
		t.Errorf("received %v after that, want one message", got)
	}
}
