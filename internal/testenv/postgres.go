package testenv

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"sluice/deploy"
)

// postgresKind is a PostgreSQL cluster of version 15 or later; the superuser is
// postgres, without a password.
type postgresKind struct{}

func (postgresKind) name() string { return "postgres" }
func (postgresKind) url(addr string) string {
	return "postgres://postgres@" + addr + "/postgres?sslmode=disable"
}

// stopSignal asks for a fast shutdown: clients are cut off, a checkpoint is
// written.
func (postgresKind) stopSignal() syscall.Signal { return syscall.SIGINT }

func (postgresKind) command(in *Instance) ([]string, *account, error) {
	bin, err := findBinary("postgres")
	if err != nil {
		return nil, nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, nil, err
	}
	return []string{bin, "-D", filepath.Join(in.dir, "data")}, as, nil
}

// prepare copies the template cluster and configures it, unless dir holds one.
func (postgresKind) prepare(ctx context.Context, in *Instance) error {
	as, err := unprivileged()
	if err != nil {
		return err
	}
	data := filepath.Join(in.dir, "data")
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
		template, err := templateCluster(ctx, as)
		if err != nil {
			return err
		}
		if err := run(ctx, nil, "cp", "-R", template, data); err != nil {
			return err
		}
	}
	own := []string{
		"listen_addresses = '127.0.0.1'",
		fmt.Sprintf("port = %d", in.port.number),
		"unix_socket_directories = ''", // their paths have a short limit
	}
	conf := filepath.Join(data, "postgresql.conf")
	if err := writeConfig(conf, deploy.Postgres(), own, in.opts.config); err != nil {
		return err
	}
	if err := os.Chmod(data, 0o700); err != nil {
		return err
	}
	return chown(in.dir, as)
}

// ping opens a session and runs an empty statement.
func (k postgresKind) ping(ctx context.Context, in *Instance) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return withConn(ctx, in.URL(), func(conn *pgconn.PgConn) error {
		return conn.Exec(ctx, ";").Close()
	})
}

// withConn opens a session for the time of do.
func withConn(ctx context.Context, url string, do func(*pgconn.PgConn) error) error {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(ctx))
}

// templateCluster returns an empty cluster, made once per user and version:
// initdb takes seconds, a copy of its result milliseconds.
func templateCluster(ctx context.Context, as *account) (string, error) {
	initdb, err := findBinary("initdb")
	if err != nil {
		return "", err
	}
	version, err := exec.CommandContext(ctx, initdb, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", initdb, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	args := []string{
		"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
		"--no-sync", "--no-instructions",
	}
	key := sha256.Sum256([]byte(initdb + string(version) + strings.Join(args, " ")))
	template := filepath.Join(cache, "sluice", fmt.Sprintf("cluster-%x", key[:8]))
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}
	return template, makeTemplate(ctx, as, template, append([]string{initdb}, args...))
}

// makeTemplate runs initdb and moves the result to path in one step. Several
// processes may do so at once; the first one's stays.
func makeTemplate(ctx context.Context, as *account, path string, initdb []string) error {
	// initdb's user may not be able to reach the cache, so it works elsewhere.
	work, err := os.MkdirTemp("", "sluice-initdb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := chown(work, as); err != nil {
		return err
	}
	data := filepath.Join(work, "data")
	if err := run(ctx, as, append(initdb, "--pgdata="+data)...); err != nil {
		return err
	}

	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	near, err := os.MkdirTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(near)
	if err := run(ctx, nil, "cp", "-R", data, filepath.Join(near, "data")); err != nil {
		return err
	}
	err = os.Rename(filepath.Join(near, "data"), path)
	if _, statErr := os.Stat(path); statErr == nil {
		return nil // ours or another process's
	}
	return err
}

// run runs a command to its end, as another user if as is not nil.
func run(ctx context.Context, as *account, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Dir = "/"
	if as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as.uid, Gid: as.gid}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(argv[0]), err, out)
	}
	return nil
}

// chown gives a directory and all in it to the user; nil: it is ours already.
func chown(dir string, as *account) error {
	if as == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(as.uid), int(as.gid))
	})
}
