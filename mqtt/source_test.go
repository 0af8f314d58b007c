package mqtt

import (
	"strconv"
	"testing"
	"time"
)

func TestSession_MosquittoPub_ReceivesAllInOrder(t *testing.T) {
	const n = 20000
	b := startMosquitto(t)
	src := NewSource(Config{URL: b.url(), ClientID: "router", Filters: filters(t, "data/sensor/{device}", "data/#"), Logger: testLogger(t)})
	session := open(t, src)
	if session.Resumed() {
		t.Error("a fresh broker resumed a session")
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		publishLines(t, b, "data/sensor/d1", numbers(n))
	}()
	var next [3]int // by subscription
	ctx := within(t, 60*time.Second)
	for next[1] < n || next[2] < n {
		ds, err := session.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if len(d.Subscriptions) != 1 || d.QoS != 1 || string(d.Topic) != "data/sensor/d1" {
				t.Fatalf("got %+v", d)
			}
			sub := d.Subscriptions[0]
			if got, want := string(d.Payload), itoa(next[sub]); got != want {
				t.Fatalf("subscription %d: got message %s, want %s", sub, got, want)
			}
			next[sub]++
		}
		if err := session.Ack(ds); err != nil {
			t.Fatal(err)
		}
	}
	<-sent
	t.Logf("%+v", src.Stats())
	if got := src.Stats(); got.ReceivedQoS1 != 2*n || got.Acked != 2*n || got.Stale != 0 {
		t.Errorf("got %+v", got)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
