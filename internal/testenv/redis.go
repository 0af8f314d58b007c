package testenv

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"

	"sluice/deploy"
)

// redisKind is a Redis 7 or Valkey 8 server.
type redisKind struct{}

func (redisKind) name() string               { return "redis" }
func (redisKind) url(addr string) string     { return "redis://" + addr }
func (redisKind) stopSignal() syscall.Signal { return syscall.SIGTERM }

func (redisKind) command(in *Instance) ([]string, *account, error) {
	bin, err := findBinary("redis-server", "valkey-server")
	if err != nil {
		return nil, nil, err
	}
	return []string{bin, filepath.Join(in.dir, "redis.conf")}, nil, nil
}

func (redisKind) prepare(_ context.Context, in *Instance) error {
	own := []string{
		"bind 127.0.0.1",
		fmt.Sprintf("port %d", in.port.number),
		"dir " + in.dir,
	}
	return writeConfig(filepath.Join(in.dir, "redis.conf"), deploy.Redis(), own, in.opts.config)
}

// ping waits for +PONG. An error, such as LOADING, is no answer, but for that of a server
// that wants a password first: it does not say whether it is still loading.
func (redisKind) ping(ctx context.Context, in *Instance) error {
	return talk(ctx, in.Addr(), func(conn net.Conn) error {
		if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
			return err
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return err
		}
		if line != "+PONG\r\n" && !strings.HasPrefix(line, "-NOAUTH ") {
			return fmt.Errorf("ping: %q", line)
		}
		return nil
	})
}
