package systemdtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/app"
	"sluice/config"
	"sluice/internal/testenv"
)

// up is `sluice up --data DIR -c FILE`.
func up(dir, path string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := app.UpOptions{Dir: dir, Listen: app.UpListen, Out: os.Stdout}
	c, err := config.Load(path, os.Environ(), app.UpConfig(app.DefaultSinks(), o)...)
	if err == nil {
		err = app.NewUp(c, o, app.DefaultSinks(), os.Stderr).Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return app.ExitFailed
	}
	return app.ExitOK
}

// newUp writes a configuration of `sluice up` and returns its path, that of the data and
// the address for devices.
func newUp(t *testing.T) (path, data, door string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "up") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	door = testenv.Address(t)
	text := fmt.Sprintf("listen: {addresses: [{address: %q}]}\napi: {grpc: %q, http: off}\nmetrics: {batch_router: off}\n", door, testenv.Address(t))
	return writeFile(t, filepath.Join(dir, "sluice.yaml"), []byte(text)), filepath.Join(dir, "data"), door
}

func TestNotify_UpIsReadyWhenDevicesMayConnect(t *testing.T) {
	t.Parallel()
	path, data, door := newUp(t)
	m := newManager(t)
	cmd := start(t, "up", []string{m.env(), "WATCHDOG_USEC=300000"}, data, path)
	m.await("READY=1")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", door)
	if err != nil {
		t.Errorf("READY=1, but: %v", err)
	} else {
		conn.Close()
	}
	for range 3 {
		m.await("WATCHDOG=1")
	}
	signalTo(t, cmd, syscall.SIGTERM)
	m.await("STOPPING=1")
	if status := awaitExit(t, cmd); status != app.ExitOK {
		t.Errorf("got exit status %d", status)
	}
}

func TestNotify_UpThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	path, data, door := newUp(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := newManager(t)
	cmd := start(t, "up", []string{m.env()}, data, path)
	if line := m.await("STATUS=ended: "); !strings.Contains(line, "listen.addresses[0]") {
		t.Errorf("got %s, want what is in the way", line)
	}
	if status := awaitExit(t, cmd); status != app.ExitFailed {
		t.Errorf("got exit status %d", status)
	}
	if m.count("READY=1") > 0 {
		t.Errorf("got %q, want no READY=1", m.said)
	}
}
