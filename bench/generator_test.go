package bench_test

import (
	"context"
	"errors"
	"math"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"sluice/bench"
	"sluice/gen/msg"
	"sluice/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subscribe calls receive for every message on a topic; one call at a time.
func subscribe(t *testing.T, addr, topic string, receive func(topic string, payload []byte)) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn: conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			receive(p.Packet.Topic, p.Packet.Payload)
			return true, nil
		}},
	})
	if _, err := client.Connect(t.Context(), &paho.Connect{ClientID: "subscriber", CleanStart: true, KeepAlive: 30}); err != nil {
		t.Fatal(err)
	}
	_, err = client.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(&paho.Disconnect{}) })
}

func run(t *testing.T, cfg bench.Config) *bench.Result {
	t.Helper()
	b, err := bench.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	result, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestBench_PublishesEveryMessageOnce(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	for name, cfg := range map[string]bench.Config{
		"MQTT 5":         {Devices: 20, Messages: 5_003},
		"MQTT 3.1.1":     {Devices: 20, Messages: 5_000, Protocol: bench.MQTT311, OwnTopics: true},
		"window 1":       {Devices: 3, Messages: 500, Window: 1},
		"large window":   {Devices: 2, Messages: 5_000, Window: 5_000, Protocol: bench.MQTT311},
		"paced":          {Devices: 10, Messages: 1_000, Rate: 2_000},
		"one per device": {Devices: 30, Messages: 30},
	} {
		t.Run(name, func(t *testing.T) {
			type key struct {
				device string
				epoch  int64
			}
			var mu sync.Mutex // guards seen
			seen := map[key]int{}
			cfg.Address, cfg.Topic = broker.Addr(), "test/"+strings.ReplaceAll(name, " ", "-")
			subscribe(t, broker.Addr(), cfg.Topic+"/#", func(topic string, payload []byte) {
				r := &msg.SensorData{}
				if err := proto.Unmarshal(payload, r); err != nil {
					t.Errorf("payload: %v", err)
				}
				if cfg.OwnTopics && topic != cfg.Topic+"/"+r.Device {
					t.Errorf("%s came on %s", r.Device, topic)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[key{r.Device, r.Epoch}]++
			})
			result := run(t, cfg)
			testenv.Eventually(t, 10*time.Second, func() error {
				mu.Lock()
				defer mu.Unlock()
				if len(seen) < cfg.Messages {
					return errors.New("messages are missing")
				}
				return nil
			})
			for k, n := range seen {
				if n != 1 {
					t.Errorf("%v came %d times", k, n)
				}
			}
			if len(seen) != cfg.Messages || result.Publish.Acked != int64(cfg.Messages) {
				t.Errorf("got %d messages and %d acks, want %d", len(seen), result.Publish.Acked, cfg.Messages)
			}
			if l := result.Publish.AckLatency; l == nil || l.Count != int64(cfg.Messages) || l.Max <= 0 {
				t.Errorf("got ack latency %+v, want %d samples", l, cfg.Messages)
			}
			if cfg.Rate > 0 && result.Publish.Seconds < 0.49 {
				t.Errorf("1000 messages at 2000/s took %v s, want 0.5 s", result.Publish.Seconds)
			}
			if !result.OK() {
				t.Error("the result is not OK, though nothing was checked")
			}
		})
	}
}

func TestBench_CountsMessagesWithoutSubscriber(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	result := run(t, bench.Config{Address: broker.Addr(), Devices: 4, Messages: 100})
	if p := result.Publish; p.Acked != 0 || p.Unrouted != 100 || p.Refused != 0 {
		t.Errorf("got %+v, want 100 unrouted", p)
	}
}

func TestBench_StopsWhenTheBrokerFallsSilent(t *testing.T) {
	t.Parallel()
	broker := testenv.Mosquitto(t)
	started := make(chan struct{})
	once := sync.OnceFunc(func() { close(started) })
	subscribe(t, broker.Addr(), "data/sensor", func(string, []byte) { once() })
	b, err := bench.New(bench.Config{Address: broker.Addr(), Messages: 100_000, Rate: 1000, Stall: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := b.Run(t.Context())
		failed <- err
	}()
	<-started
	broker.Pause()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "no PUBACK for 1s") {
		t.Errorf("got %v, want no PUBACK for 1s", err)
	}
	broker.Resume()
}

func TestBench_EndsWithItsContextAndItsBroker(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(cancel func(), broker *testenv.Server){
		"context": func(cancel func(), _ *testenv.Server) { cancel() },
		"broker":  func(_ func(), broker *testenv.Server) { broker.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			broker := testenv.Mosquitto(t)
			started := make(chan struct{})
			once := sync.OnceFunc(func() { close(started) })
			subscribe(t, broker.Addr(), "data/sensor", func(string, []byte) { once() })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b, err := bench.New(bench.Config{Address: broker.Addr(), Messages: 100_000, Rate: 1000})
			if err != nil {
				t.Fatal(err)
			}
			failed := make(chan error, 1)
			go func() {
				_, err := b.Run(ctx)
				failed <- err
			}()
			<-started
			end(cancel, broker)
			if err := <-failed; err == nil || (name == "context") != errors.Is(err, context.Canceled) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestNew_RefusesBadConfig(t *testing.T) {
	for name, change := range map[string]func(*bench.Config){
		"no address":       func(c *bench.Config) { c.Address = "" },
		"protocol":         func(c *bench.Config) { c.Protocol = 3 },
		"devices":          func(c *bench.Config) { c.Devices = -1 },
		"too few messages": func(c *bench.Config) { c.Devices, c.Messages = 10, 9 },
		"rate":             func(c *bench.Config) { c.Rate = math.NaN() },
		"window":           func(c *bench.Config) { c.Window = 100_000 },
		"base epoch":       func(c *bench.Config) { c.BaseEpoch = 1 },
		"no facility":      func(c *bench.Config) { c.Database = "postgres://x" },
	} {
		cfg := bench.Config{Address: "x:1"}
		change(&cfg)
		if _, err := bench.New(cfg); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// BenchmarkGenerator reports the generator's own CPU per message through a real
// broker with a subscriber: 200 000 messages, 100 connections, window 20.
func BenchmarkGenerator(b *testing.B) {
	broker := testenv.Mosquitto(b)
	for name, rate := range map[string]float64{"full": 0, "paced": 5000} {
		b.Run(name, func(b *testing.B) {
			sub := exec.Command("mosquitto_sub", "-p", strings.Split(broker.Addr(), ":")[1], "-q", "1", "-t", "data/sensor", "-V", "5")
			if err := sub.Start(); err != nil {
				b.Fatal(err)
			}
			defer func() {
				_ = sub.Process.Signal(syscall.SIGTERM)
				_ = sub.Wait() // ended by a signal
			}()
			messages := 200_000
			if rate > 0 {
				messages = 25_000
			}
			for b.Loop() {
				gen, err := bench.New(bench.Config{
					Address: broker.Addr(), Messages: messages, Rate: rate,
					Processes: []bench.Process{{Name: "mosquitto", PIDs: []int{broker.PID()}}},
				})
				if err != nil {
					b.Fatal(err)
				}
				r, err := gen.Run(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(r.Usage[0].CPUPerMessage, "broker-us/msg")
				b.ReportMetric(r.Usage[1].CPUPerMessage, "us/msg")
				b.ReportMetric(r.Publish.PerSecond, "msg/s")
				b.ReportMetric(r.Publish.AckLatency.P99, "ack-p99-ms")
				b.ReportMetric(float64(r.Publish.Unrouted), "unrouted")
			}
		})
	}
}
