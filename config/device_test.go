package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad_DevicePasswords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sluice.yaml")
	text := "broker: {url: mqtt://broker}\ndevice:\n  passwords: passwords\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, nil, Only("broker", "device")); err == nil || !strings.Contains(err.Error(), ":3: device.passwords: cannot read") {
		t.Errorf("no folder: got %v", err)
	}
	if _, err := Load(path, nil, Only("broker", "clock")); err != nil {
		t.Errorf("a service that does not read it: got %v", err)
	}
	folder := filepath.Join(dir, "passwords")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, nil, Only("broker", "device"))
	if err != nil || c.Device.Passwords != folder {
		t.Errorf("got %+v, %v, want %s", c, err, folder)
	}
}
