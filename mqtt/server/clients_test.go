package server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// mosquitto runs mosquitto_pub or mosquitto_sub against the door and returns what it
// wrote.
func (s *site) mosquitto(tool string, args ...string) string {
	s.Helper()
	host, port, _ := net.SplitHostPort(s.server.Addr(0).String())
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool, append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput()
	if err != nil {
		s.Errorf("%s %q: %v: %s", tool, args, err, out)
	}
	return string(out)
}

func TestMosquittoClients(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, secure := range []bool{false, true} {
		for _, version := range []string{"mqttv311", "mqttv5"} {
			t.Run(fmt.Sprintf("%s tls=%t", version, secure), func(t *testing.T) {
				t.Parallel()
				changes := []func(*Config){newGuests(t, "pattern readwrite #\n", "u").at}
				flags := []string{"-V", version, "-u", "u", "-P", "pass", "-q", "1"}
				with := func(more ...string) []string { return slices.Concat(flags, more) }
				if secure {
					changes = append(changes, a.secure(""))
					flags = append(flags, "--cafile", a.path("ca.crt"))
				}
				s := newSite(t, changes...)
				s.mosquitto("mosquitto_pub", with("-t", "data/a", "-m", "one", "--repeat", "3")...)
				s.stores("one", "one", "one")
				heard := make(chan string)
				go func() {
					heard <- s.mosquitto("mosquitto_sub", with("-t", "pulse", "-C", "1")...)
				}()
				for text := ""; text == ""; {
					s.mosquitto("mosquitto_pub", with("-t", "pulse", "-m", "tick")...)
					select {
					case text = <-heard:
						if strings.TrimSpace(text) != "tick" {
							t.Errorf("mosquitto_sub got %q", text)
						}
					default:
					}
				}
			})
		}
	}
}

func TestPahoClient(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	heard := make(chan *paho.Publish, 10)
	broker, _ := url.Parse("mqtt://" + s.server.Addr(0).String())
	config := autopaho.ClientConfig{
		ServerUrls: []*url.URL{broker}, KeepAlive: 20, SessionExpiryInterval: 3600,
		WillMessage: &paho.WillMessage{Topic: "lwt/a", Payload: lwtOf(t, "a", 100), QoS: 1},
		ClientConfig: paho.ClientConfig{ClientID: "a", OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(p paho.PublishReceived) (bool, error) { heard <- p.Packet; return true, nil },
		}},
	}
	c, err := autopaho.NewConnection(t.Context(), config)
	if err == nil {
		err = c.AwaitConnection(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "pulse", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		r, err := c.Publish(t.Context(), &paho.Publish{Topic: "data/a", QoS: 1, Payload: fmt.Append(nil, i)})
		if err != nil || r.ReasonCode != 0 {
			t.Fatalf("message %d: %+v, %v", i, r, err)
		}
	}
	expiry := uint32(60)
	_, err = c.Publish(t.Context(), &paho.Publish{Topic: "pulse", QoS: 1, Payload: []byte("tick"), Properties: &paho.PublishProperties{
		ContentType: "text", MessageExpiry: &expiry, User: paho.UserProperties{{Key: "k", Value: "v"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := <-heard
	if !bytes.Equal(got.Payload, []byte("tick")) || got.Properties.ContentType != "text" || got.Properties.User.Get("k") != "v" ||
		*got.Properties.MessageExpiry != 60 {
		t.Errorf("got %+v %+v", got, got.Properties)
	}
	s.eventually(func() error {
		if n := len(s.sink.all()); n != 50 {
			return fmt.Errorf("%d stored", n)
		}
		return nil
	})
	if err := c.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	<-c.Done()
}
