package device_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"

	"sluice/app"
	"sluice/config"
	"sluice/device"
	"sluice/internal/testenv"
	"sluice/users"
)

// logins are users of a broker, a folder with the passwords of the devices, and that of
// the router.
type logins struct {
	users.Files

	dir, router string
}

// newLogins adds the users device-0001 and so on, as `sluice users add --count N --prefix
// device- --out DIR` does.
func newLogins(t testing.TB, count int) *logins {
	t.Helper()
	dir := t.TempDir()
	l := &logins{dir: filepath.Join(dir, "passwords")}
	l.Files = users.Files{Passwords: filepath.Join(dir, "users.txt"), ACL: filepath.Join(dir, "acl.txt")}
	list := []users.User{{Name: "router", Role: users.Router}}
	for n := range count {
		list = append(list, users.User{Name: fmt.Sprintf("device-%04d", n+1), Role: users.Device})
	}
	_, err := l.Add(list, func(secrets []users.Secret) error {
		l.router = secrets[0].Password
		err := os.Mkdir(l.dir, 0o700)
		for _, s := range secrets[1:] {
			err = errors.Join(err, os.WriteFile(filepath.Join(l.dir, s.Name), []byte(s.Password+"\n"), 0o600))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The service, by its configuration, which also has the login of another service.
func TestFleet_EachDeviceLogsInAsItself(t *testing.T) {
	t.Parallel()
	const count = 5
	l := newLogins(t, count)
	broker := testenv.Mosquitto(t, testenv.Config("allow_anonymous false", "use_username_as_clientid true",
		"password_file "+l.Passwords, "acl_file "+l.ACL))
	router := listenAs(t, broker.Addr(), &paho.Connect{
		CleanStart: true, KeepAlive: 30, Username: "router", UsernameFlag: true, Password: []byte(l.router), PasswordFlag: true,
	})
	l.run(t, fmt.Sprintf(`
broker: {url: %q, user: clock, password: of the clock}
device: {count: %d, prefix: device-, interval: 200ms, passwords: %q}
metrics: {device: off}
`, broker.URL(), count, l.dir))
	for n := range count {
		name := fmt.Sprintf("device-%04d", n+1)
		atLeast(t, "readings of "+name, 2, func() int { return router.count("data/sensor/" + name) })
		if got := router.count("connect/" + name); got != 1 {
			t.Errorf("%s has connected %d times, want once", name, got)
		}
	}
}

// run runs the service until the test ends.
func (l *logins) run(t testing.TB, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, nil, app.DeviceConfig()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.NewDevices(c, false, nil, slog.New(slog.NewTextHandler(t.Output(), nil))).Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the service ended: %v", err)
		}
	})
}

func TestNew_WithoutThePasswordOfADevice(t *testing.T) {
	t.Parallel()
	l := newLogins(t, 3)
	c := device.Config{Address: "127.0.0.1:1", Passwords: l.dir, Count: 3}
	if _, err := device.New(c); err != nil {
		t.Fatal(err)
	}
	last := filepath.Join(l.dir, "device-0003")
	if err := os.WriteFile(last, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := device.New(c); err == nil || !strings.Contains(err.Error(), last+" is empty") {
		t.Errorf("got %v, want that %s is empty", err, last)
	}
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if _, err := device.New(c); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), last) {
		t.Errorf("got %v, want that %s is missing", err, last)
	}
}
