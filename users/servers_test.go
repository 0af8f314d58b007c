package users_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sluice/app"
	"sluice/internal/apptest"
	"sluice/internal/testenv"
	"sluice/users"
)

// world is a server that reads the files.
type world struct {
	testing.TB
	users.Files

	address   string
	passwords map[string]string
	reload    func() // tells it that the files have changed
	refuses   bool   // it refuses subscriptions to what cannot be read
}

// newWorld makes files with a user of each kind.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, Files: newFiles(t), passwords: map[string]string{}}
	w.add(users.User{Name: "router", Role: users.Router}, users.User{Name: "clock", Role: users.Clock},
		device("dev-1"), device("dev-2"), users.User{Name: "old", Role: users.Device, FlatTopics: true})
	return w
}

func (w *world) add(list ...users.User) {
	w.Helper()
	for _, s := range add(w, w.Files, list...) {
		w.passwords[s.Name] = s.Password
	}
}

func (w *world) connect(name string) *client {
	w.Helper()
	c, code := connect(w, w.address, name, w.passwords[name])
	if c == nil {
		w.Fatalf("%s: CONNACK %#x", name, code)
	}
	return c
}

// mosquitto starts a broker.
func mosquitto(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	s := testenv.Mosquitto(t, testenv.Config("allow_anonymous false", "use_username_as_clientid true",
		"password_file "+w.Passwords, "acl_file "+w.ACL))
	w.address = s.Addr()
	w.reload = func() { must(t, syscall.Kill(s.PID(), syscall.SIGHUP)) }
	return w
}

// door starts a batch-router with a front door.
func door(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	site := apptest.New(t, apptest.Site{Door: true, DoorKeys: fmt.Sprintf("users: %q, acl: %q, user_is_client: true", w.Passwords, w.ACL)})
	site.Start(t, app.DefaultSinks()).AwaitLeading(t)
	w.address = site.Address()
	w.reload = func() {} // it looks for itself
	w.refuses = true
	return w
}

// both runs a test with each.
func both(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	t.Parallel()
	t.Run("mosquitto", func(t *testing.T) { t.Parallel(); test(t, mosquitto(t)) })
	t.Run("front door", func(t *testing.T) { t.Parallel(); test(t, door(t)) })
}

func TestUsers_PublishOnTheirOwnTopicsOnly(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, tt := range []struct {
			user   string
			may    []string
			mayNot []string
		}{
			{"dev-1", []string{"connect/dev-1", "lwt/dev-1", "data/sensor/dev-1", "data/door/dev-1"}, []string{
				"connect/dev-2", "lwt/dev-2", "data/sensor/dev-2", "data/sensor/dev-1/x", "data/dev-1", "connect", "lwt", "data/sensor",
				"pulse", "sluice/sync/plant-1", "$SYS/broker/uptime", "$share/g/data/sensor/dev-1", "x",
			}},
			{"old", []string{"connect", "lwt", "data/sensor", "connect/old"}, []string{"pulse", "data/door", "connect/dev-1", "data/sensor/dev-1"}},
			{"clock", []string{"pulse"}, []string{"connect", "data/sensor/dev-1", "sluice/sync/plant-1"}},
			{"router", []string{"sluice/sync/plant-1"}, []string{"pulse", "connect/dev-1", "data/sensor/dev-1", "$SYS/broker/uptime"}},
		} {
			c := w.connect(tt.user)
			for _, topic := range tt.may {
				if got := c.publish(topic); got >= 0x80 {
					t.Errorf("%s: %s is answered %#x, want success", tt.user, topic, got)
				}
			}
			for _, topic := range tt.mayNot {
				if got := c.publish(topic); got != 0x87 {
					t.Errorf("%s: %s is answered %#x, want 0x87", tt.user, topic, got)
				}
			}
		}
	})
}

// Whatever a device subscribes to, it hears the pulse only.
func TestUsers_DeviceHearsThePulseOnly(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c, other, clock := w.connect("dev-1"), w.connect("dev-2"), w.connect("clock")
		for _, filter := range []string{"#", "+/+/+", "data/#", "$SYS/#", "$share/g/#", "$share/g/data/#", "sluice/sync/+"} {
			got := c.subscribe(filter)
			// Mosquitto grants all and delivers nothing.
			if w.refuses && filter != "#" && got < 0x80 {
				t.Errorf("%s is answered %#x, want a refusal", filter, got)
			}
		}
		for _, topic := range []string{"connect/dev-2", "data/sensor/dev-2", "data/door/dev-2", "lwt/dev-2"} {
			other.publish(topic)
		}
		clock.publish("pulse")
		if got := c.until("pulse"); len(got) > 1 {
			t.Errorf("heard %q, want the pulse only", got)
		}
	})
}

// A device that joins a shared subscription takes nothing from the router.
func TestMosquitto_RouterHearsAllThatItNeeds(t *testing.T) {
	t.Parallel()
	w := mosquitto(t)
	rogue, router, c := w.connect("dev-2"), w.connect("router"), w.connect("dev-1")
	rogue.subscribe("$share/g/data/#")
	topics := []string{"connect/dev-1", "data/sensor/dev-1", "lwt/dev-1"}
	for _, filter := range []string{"connect/+", "data/#", "lwt/+", "$SYS/broker/uptime", "sluice/sync/plant-1"} {
		if got := router.subscribe(filter); got >= 0x80 {
			t.Errorf("%s is answered %#x", filter, got)
		}
	}
	router.until("$SYS/broker/uptime")
	for range 4 { // a share would lose some
		for _, topic := range topics {
			c.publish(topic)
		}
	}
	router.publish("sluice/sync/plant-1")
	got := slices.DeleteFunc(router.until("sluice/sync/plant-1"), func(topic string) bool { return strings.HasPrefix(topic, "$SYS") })
	if len(got) != 4*len(topics)+1 {
		t.Errorf("heard %q, want all", got)
	}
}

func TestUsers_AddedUserIsLetIn_RemovedUserIsCut(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.add(device("dev-3"))
		w.reload()
		var leaver *client
		testenv.Eventually(t, within, func() error {
			c, code := connect(t, w.address, "dev-3", w.passwords["dev-3"])
			if leaver = c; c == nil {
				return fmt.Errorf("CONNACK %#x", code)
			}
			return nil
		})
		stays := w.connect("dev-1")
		must(t, w.Remove([]string{"dev-3"}))
		w.reload()
		leaver.ends()
		if c, code := connect(t, w.address, "dev-3", w.passwords["dev-3"]); c != nil || code < 0x80 {
			t.Errorf("CONNACK %#x, want a refusal", code)
		}
		if got := stays.publish("connect/dev-1"); got >= 0x80 {
			t.Errorf("another user is answered %#x", got)
		}
	})
}

func TestUsers_NewPasswordEndsTheOldOne(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.connect("dev-1")
		fresh, err := w.SetPasswords([]string{"dev-1"}, nil)
		must(t, err)
		w.reload()
		c.ends()
		if c, code := connect(t, w.address, "dev-1", w.passwords["dev-1"]); c != nil || code < 0x80 {
			t.Errorf("CONNACK %#x, want a refusal", code)
		}
		w.passwords["dev-1"] = fresh[0].Password
		w.connect("dev-1")
	})
}
