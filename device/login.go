package device

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// as returns the configuration with the user and password of one device.
func (c Config) as(name string) (Config, error) {
	if c.Passwords == "" {
		return c, nil
	}
	path := filepath.Join(c.Passwords, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("device: password: %w", err)
	}
	c.User, c.Password = name, strings.TrimRight(string(text), "\r\n")
	if c.Password == "" {
		return c, fmt.Errorf("device: %s is empty; write the password of %s into it", path, name)
	}
	return c, nil
}
