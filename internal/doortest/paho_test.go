package doortest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/autopaho/queue/file"
	"github.com/eclipse/paho.golang/paho"
	mqtt3 "github.com/eclipse/paho.mqtt.golang"

	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// publisher is a client library as a program on a device uses it.
type publisher struct {
	// publish hands a message over, for good.
	publish func(topic string, payload []byte) error
	close   func()
}

// A program that leaves everything to a client library, with what that needs to keep
// messages through a loss of the connection, loses none when replicas are killed.
func TestDoor_ReplicasKilledUnderPaho_NothingIsMissing(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(*site) publisher
	}{
		{"paho.golang with its file queue, MQTT 5", openAutopaho},
		{"paho.mqtt.golang with its file store, MQTT 3.1.1", openPaho3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			killUnder(t, c.open)
		})
	}
}

func killUnder(t *testing.T, open func(*site) publisher) {
	t.Helper()
	s := newSite(t, sitePlan{})
	p := open(s)
	stop, sent := make(chan struct{}), make(chan int)
	go func() { sent <- publishUntil(t, p, stop) }()
	kills := testenv.Number(t, "DOORTEST_CLIENT_KILLS", 3)
	for range kills {
		s.AwaitReceived(pathload.RouteSensor, 20)
		r := s.replicas[rand.N(len(s.replicas))]
		pass(t, rand.N(200*time.Millisecond))
		r.Kill()
		pass(t, rand.N(500*time.Millisecond))
		r.start()
		if rand.N(2) == 0 {
			r.awaitOpen(1)
		}
	}
	s.AwaitReceived(pathload.RouteSensor, 20)
	close(stop)
	n := <-sent
	testenv.Eventually(t, patience, func() error {
		if rows := s.number("SELECT count(*) FROM data.sensor"); rows != int64(n) {
			return fmt.Errorf("%d rows of %d messages", rows, n)
		}
		return nil
	})
	p.close()
	t.Logf("%d kills, %d messages, as many rows; %+v", kills, n, s.MustStatus(pathload.RouteSensor).Account)
}

// publishUntil publishes a reading every 10 ms and returns how many there were.
func publishUntil(t *testing.T, p publisher, stop <-chan struct{}) (n int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-stop:
			return n
		}
		m := pathload.Reading(pathload.RouteSensor, "library", n, 0)
		if err := p.publish(m.Topic, m.Payload); err != nil {
			t.Errorf("message %d: %v", n, err)
			return n
		}
		n++
	}
}

func openAutopaho(s *site) publisher {
	q, err := file.New(s.t.TempDir(), "q", ".msg")
	s.must(err)
	c, err := autopaho.NewConnection(s.t.Context(), autopaho.ClientConfig{
		ServerUrls: []*url.URL{{Scheme: "mqtt", Host: s.link.Addr()}}, KeepAlive: 5, SessionExpiryInterval: 3600,
		ConnectTimeout: 5 * time.Second, ReconnectBackoff: autopaho.NewConstantBackoff(200 * time.Millisecond), Queue: q,
		ClientConfig: paho.ClientConfig{ClientID: "library"},
	})
	s.must(err)
	return publisher{
		publish: func(topic string, payload []byte) error {
			return c.PublishViaQueue(s.t.Context(), &autopaho.QueuePublish{Publish: &paho.Publish{Topic: topic, QoS: 1, Payload: payload}})
		},
		close: func() {
			ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
			defer cancel()
			if err := c.Disconnect(ctx); err != nil {
				s.t.Error(err)
			}
			<-c.Done()
		},
	}
}

func openPaho3(s *site) publisher {
	o := mqtt3.NewClientOptions().AddBroker("tcp://" + s.link.Addr()).SetClientID("library").SetProtocolVersion(4).
		SetCleanSession(false).SetStore(mqtt3.NewFileStore(s.t.TempDir())).SetKeepAlive(5 * time.Second).
		SetConnectTimeout(5 * time.Second).SetMaxReconnectInterval(500 * time.Millisecond).SetConnectRetry(true).
		SetConnectRetryInterval(200 * time.Millisecond)
	c := mqtt3.NewClient(o)
	if token := c.Connect(); token.Wait() && token.Error() != nil {
		s.t.Fatal(token.Error())
	}
	return publisher{
		// The store has the message when Publish returns; the token is of its PUBACK.
		publish: func(topic string, payload []byte) error { c.Publish(topic, 1, false, payload); return nil },
		close:   func() { c.Disconnect(1000) },
	}
}
