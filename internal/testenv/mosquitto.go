package testenv

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sluice/deploy"
)

// mosquittoKind is a Mosquitto 2 broker.
type mosquittoKind struct{}

func (mosquittoKind) name() string               { return "mosquitto" }
func (mosquittoKind) url(addr string) string     { return "mqtt://" + addr }
func (mosquittoKind) stopSignal() syscall.Signal { return syscall.SIGTERM }

func (mosquittoKind) command(in *Instance) ([]string, *account, error) {
	bin, err := findBinary("mosquitto")
	if err != nil {
		return nil, nil, err
	}
	return []string{bin, "-c", filepath.Join(in.dir, "mosquitto.conf")}, nil, nil
}

func (k mosquittoKind) prepare(_ context.Context, in *Instance) error {
	own := []string{
		fmt.Sprintf("listener %d 127.0.0.1", in.port.number),
		"persistence_location " + in.dir + "/",
		fmt.Sprintf("allow_anonymous %t", len(in.opts.users) == 0),
	}
	if os.Geteuid() == 0 {
		// It would become user mosquitto, who may not write here, and forget
		// that it is to die with us.
		own = append(own, "user root")
	}
	if len(in.opts.users) > 0 {
		passwords := filepath.Join(in.dir, "passwords")
		if err := writePasswords(passwords, in.opts.users); err != nil {
			return err
		}
		own = append(own, "password_file "+passwords, "use_username_as_clientid true")
	}
	return writeConfig(filepath.Join(in.dir, "mosquitto.conf"), deploy.Mosquitto(), own, in.opts.config)
}

// mqttConnect is an MQTT 3.1.1 CONNECT: clean session, keepalive 5 s, no client
// id.
const mqttConnect = "\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"

// ping waits for a CONNACK. A refusal (no password given) is an answer too.
func (mosquittoKind) ping(ctx context.Context, in *Instance) error {
	return talk(ctx, in.Addr(), func(conn net.Conn) error {
		if _, err := io.WriteString(conn, mqttConnect); err != nil {
			return err
		}
		var connack [4]byte
		if _, err := io.ReadFull(conn, connack[:]); err != nil {
			return err
		}
		if connack[0] != 0x20 {
			return errors.New("not a CONNACK")
		}
		_, err := io.WriteString(conn, "\xe0\x00") // DISCONNECT
		return err
	})
}

// writePasswords writes a password file: PBKDF2-SHA512, few iterations, since
// the broker hashes in its only thread at every CONNECT.
func writePasswords(path string, users map[string]string) error {
	const iterations = 101
	var file strings.Builder
	for name, password := range users {
		salt := make([]byte, 12)
		rand.Read(salt) // never fails
		key, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
		if err != nil {
			return err
		}
		fmt.Fprintf(&file, "%s:$7$%d$%s$%s\n", name, iterations,
			base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(key))
	}
	return os.WriteFile(path, []byte(file.String()), 0o600)
}

// talk opens a connection and speaks on it for at most 2 s.
func talk(ctx context.Context, addr string, speak func(net.Conn) error) error {
	deadline := time.Now().Add(2 * time.Second)
	conn, err := (&net.Dialer{Deadline: deadline}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	return speak(conn)
}

// writeConfig writes the shipped configuration, then the instance's own lines,
// then the test's.
func writeConfig(path, shipped string, own, extra []string) error {
	lines := append([]string{shipped}, own...)
	lines = append(lines, extra...)
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}
