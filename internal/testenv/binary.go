package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
)

// findBinary returns the path of the first of the names that exists, in PATH or
// where Debian and Homebrew put servers, the newest version first.
func findBinary(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
		for _, dir := range []string{
			"/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin",
			"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin",
		} {
			found, _ := filepath.Glob(filepath.Join(dir, name))
			if len(found) > 0 {
				return slices.Max(found), nil
			}
		}
	}
	return "", fmt.Errorf("%s is not installed: run `make deps`, or "+
		"`apt-get install -y mosquitto redis-server postgresql` as root", names[0])
}

// unprivileged returns the user for a server that refuses to run as root: nil,
// which is ours, unless we are root.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &account{uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("neither user postgres nor nobody exists; PostgreSQL does not run as root")
}
