package server

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sluice"
	"sluice/mqtt/server/access"
	"sluice/mqtt/server/wire"
)

// guests are users with their files.
type guests struct {
	testing.TB
	files access.Files
}

// newGuests writes the password of each user, which is "pass", and the access list.
func newGuests(t testing.TB, acl string, users ...string) *guests {
	t.Helper()
	dir := t.TempDir()
	g := &guests{TB: t, files: access.Files{Passwords: filepath.Join(dir, "passwords"), ACL: filepath.Join(dir, "acl")}}
	for _, u := range users {
		g.add(u)
	}
	if err := os.WriteFile(g.files.ACL, []byte(acl), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guests) add(user string) { g.passwd("-b", g.files.Passwords, user, "pass") }

func (g *guests) remove(user string) { g.passwd("-D", g.files.Passwords, user) }

func (g *guests) passwd(args ...string) {
	g.Helper()
	if _, err := os.Stat(g.files.Passwords); err != nil {
		args = append([]string{"-c"}, args...)
	}
	if out, err := exec.Command("mosquitto_passwd", args...).CombinedOutput(); err != nil {
		g.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
}

// at is what a Config needs of them.
func (g *guests) at(c *Config) {
	a, err := access.Open(g.files, slog.New(slog.NewTextHandler(g.Output(), nil)))
	if err != nil {
		g.Fatal(err)
	}
	c.Access = a
}

const deviceACL = "pattern readwrite data/%u/#\npattern write lwt/%u\npattern read pulse\n"

func TestConnect_WithoutTheRightPassword_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, newGuests(t, deviceACL, "a").at)
	for name, h := range map[string]hello{
		"wrong": {id: "a", user: "a", password: "other"}, "none": {id: "a", user: "a"},
		"unknown": {id: "a", user: "b", password: "pass"}, "anonymous": {id: "a"},
	} {
		c := s.dial()
		if got := c.hello(h); got != wire.BadUserOrPassword {
			t.Errorf("%s: CONNACK %v, want 0x86", name, got)
		}
		c.ends()
	}
	c := s.dial()
	if got := c.hello(hello{version: wire.V311, id: "a", user: "a", password: "x"}); got != 4 {
		t.Errorf("3.1.1: return code %d, want 4", got)
	}
	s.connect(hello{id: "a", user: "a", password: "pass"})
	s.counts("refused", func(st Stats) bool { return st.Connects[wire.BadUserOrPassword] == 5 && st.Connects[wire.Success] == 1 })
}

func TestPublish_Denied_IsAnsweredInOrderAndNotStored(t *testing.T) {
	t.Parallel()
	bothVersions(t, func(t *testing.T, v wire.Version) {
		s := newSite(t, newGuests(t, deviceACL, "a").at)
		c := s.connect(hello{version: v, id: "a", user: "a", password: "pass", clean: true})
		denied := wire.NotAuthorized
		if v == wire.V311 {
			denied = wire.Success // as Mosquitto
		}
		b := c.message("data/a/x", "1", 1, 0)
		b = append(b, c.message("data/b/x", "2", 2, 0)...)
		b = append(b, c.message("data/a/x", "3", 3, 0)...)
		b = append(b, c.message("$SYS/x", "4", 4, 0)...)
		c.write(b)
		c.acks(wire.Success, 1)
		c.acks(denied, 2)
		c.acks(wire.Success, 3)
		c.acks(denied, 4)
		s.stores("1", "3")
		if n := s.server.Stats().Denied; n != 2 {
			t.Errorf("%d denied, want 2", n)
		}
	})
}

func TestConnect_WillThatIsNotAllowed_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, newGuests(t, deviceACL, "a").at)
	h := hello{id: "a", user: "a", password: "pass", will: &testWill{topic: "lwt/b", payload: lwtOf(t, "b", 5)}}
	if got := s.dial().hello(h); got != wire.NotAuthorized {
		t.Errorf("CONNACK %v, want 0x87", got)
	}
}

func TestSubscribe_NotAllowed_IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, newGuests(t, "pattern read pulse\n", "a").at)
	c := s.connect(hello{id: "a", user: "a", password: "pass"})
	if got := c.subscribe("command/a", 1); got != wire.NotAuthorized {
		t.Errorf("SUBACK %v, want 0x87", got)
	}
	if got := c.subscribe("+", 1); got != wire.GrantedQoS1 {
		t.Errorf("SUBACK %v, want QoS 1: pulse can be read", got)
	}
}

// A subscription that is wider than the rights delivers what may be read.
func TestFanout_AsksForTheRightToRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, newGuests(t, "pattern read pulse\nuser clock\ntopic readwrite #\n", "a", "clock").at)
	c := s.connect(hello{id: "a", user: "a", password: "pass"})
	c.subscribe("#", 1)
	p := s.connect(hello{id: "clock", user: "clock", password: "pass"})
	p.publish("secret", "1")
	p.publish("pulse", "2")
	c.receives("pulse", "2")
}

func TestReload_UserWhoIsGone_IsCut(t *testing.T) {
	t.Parallel()
	g := newGuests(t, deviceACL, "a", "b")
	s := newSite(t, g.at)
	a := s.connect(hello{id: "a", user: "a", password: "pass", will: &testWill{topic: "lwt/a", payload: lwtOf(t, "a", 100)}})
	b := s.connect(hello{id: "b", user: "b", password: "pass"})
	g.remove("a")
	if got := a.ends(); got != wire.NotAuthorized {
		t.Errorf("DISCONNECT %v, want 0x87", got)
	}
	s.device("a", sluice.DeviceSuspect) // its will applies, as nobody else could send it
	b.ping()
	if got := s.dial().hello(hello{id: "a", user: "a", password: "pass"}); got != wire.BadUserOrPassword {
		t.Errorf("CONNACK %v, want 0x86", got)
	}
}

func TestReload_RightsAreRenewed(t *testing.T) {
	t.Parallel()
	g := newGuests(t, deviceACL, "a")
	s := newSite(t, g.at)
	c := s.connect(hello{id: "a", user: "a", password: "pass"})
	c.acks(wire.NotAuthorized, c.publish("data/new", "1"))
	if err := os.WriteFile(g.files.ACL, []byte(deviceACL+"pattern write data/new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.eventually(func() error {
		id := c.publish("data/new", "2")
		if _, body := c.packet(); len(body) > 2 {
			return &wire.Error{Text: "still denied"}
		}
		_ = id
		return nil
	})
	s.stores("2")
}

func TestUserIsClient_KeepsSessionsApart(t *testing.T) {
	t.Parallel()
	s := newSite(t, newGuests(t, "pattern write data/#\n", "a", "b").at, func(c *Config) { c.UserIsClient = true })
	a := s.connect(hello{id: "same", user: "a", password: "pass"})
	s.connect(hello{id: "same", user: "b", password: "pass"})
	a.ping() // nobody took it over
}
