package app_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/app"
	"sluice/internal/apptest"
)

// socketDir is a folder whose path is short enough for sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestListenAdmin_OnlyTheOwnerMayOpenTheSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(socketDir(t), "new", "admin.sock")
	l, err := app.ListenAdmin(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.ModeSocket|0o600; got != want {
		t.Errorf("got mode %v, want %v", got, want)
	}
}

func TestListenAdmin_ReplacesTheSocketOfADeadProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(socketDir(t), "admin.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := app.ListenAdmin(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestListenAdmin_LeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(socketDir(t), "sluice.yaml")
	if err := os.WriteFile(path, []byte("facility: plant-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := app.ListenAdmin(t.Context(), path); err == nil || !strings.Contains(err.Error(), "`admin`") {
		t.Errorf("got %v, %v; want an error that names the key", l, err)
	}
	if text, err := os.ReadFile(path); err != nil || len(text) == 0 {
		t.Errorf("the file is gone: %v", err)
	}
}

func TestBatchRouter_SecondOnTheSameSocketIsRefused(t *testing.T) {
	t.Parallel()
	site := apptest.New(t, apptest.Site{})
	first := site.Start(t, app.DefaultSinks())
	first.AwaitLeading(t)
	other := *site
	other.Metrics = "off"
	other.Rewrite(t)
	err := other.Start(t, app.DefaultSinks()).Wait(t)
	if err == nil || !strings.Contains(err.Error(), "another router listens") {
		t.Errorf("got %v, want a refusal", err)
	}
	first.AwaitLeading(t)
}

func TestAdmin_ResumeOfAnUnknownRoute(t *testing.T) {
	t.Parallel()
	router := apptest.New(t, apptest.Site{}).Start(t, app.DefaultSinks())
	router.AwaitLeading(t)
	err := router.Resume(t.Context(), "data/sensro")
	if err == nil || !strings.Contains(err.Error(), "sluice route list") {
		t.Errorf("got %v, want advice", err)
	}
}
