package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// space is the directory of all servers of this test process. A small shell
// process removes it when this process has ended, however it ended: no t.Cleanup
// runs after a kill, and a shared cluster has no test whose cleanup it could be.
type space struct {
	dir string
	// end is the writing end of the reaper's standard input, held open until
	// the kernel closes it.
	end *os.File
}

// workspace returns the directory of this process, made at the first call.
var workspace = sync.OnceValues(newSpace)

// reaper waits for the end of its input, then removes $1. The servers end at
// the same moment and may write a last file, hence the repetition.
const reaper = `read -r _; n=0
while [ $n -lt 100 ] && [ -e "$1" ]; do rm -rf "$1" 2>/dev/null; n=$((n+1)); sleep 0.1; done`

func newSpace() (*space, error) {
	dir, err := os.MkdirTemp("", "sluice-")
	if err != nil {
		return nil, err
	}
	// PostgreSQL's user must get through to its own directory below.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	in, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	cmd := exec.Command("/bin/sh", "-c", reaper, "reaper", dir)
	cmd.Stdin = in
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal from the terminal
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &space{dir: dir, end: end}, nil
}

// newDir makes an empty directory for one server.
func (s *space) newDir(name string) (string, error) {
	dir, err := os.MkdirTemp(s.dir, name+"-")
	if err != nil {
		return "", err
	}
	return filepath.Clean(dir), os.Chmod(dir, 0o711)
}
