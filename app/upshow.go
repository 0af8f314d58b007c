package app

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"sluice"
	"sluice/gen/msg"
)

const (
	// lookEvery is how often it is looked whether the front door is open.
	lookEvery = 20 * time.Millisecond
	// countEvery is how often the line of counts is rewritten.
	countEvery = time.Second
)

// show tells the addresses as soon as the front door is open, and then keeps a line of
// counts up to date until ctx ends.
func (u *Up) show(ctx context.Context) error {
	router := NewAdminClient(u.config.Admin)
	if !u.awaitOpen(ctx, router) {
		return nil
	}
	u.screen.tell(u.addresses(time.Now()))
	defer u.screen.leave()
	every(ctx, countEvery, func() {
		if s, err := router.Status(ctx); err == nil {
			u.screen.show(counts(s))
		}
	})
	return nil
}

// awaitOpen waits until devices may connect; false: ctx ended first.
func (u *Up) awaitOpen(ctx context.Context, router *AdminClient) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if s, err := router.Status(ctx); err == nil && s.Leading {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// counts is the line of counts.
func counts(s Status) string {
	var received, stored, dead, queued int64
	for _, q := range s.Queues {
		if strings.HasPrefix(q.Queue, "$") || q.Queue == sluice.QueueEvents {
			continue
		}
		received, stored, dead = received+q.Account.Received, stored+q.Account.Stored, dead+q.Account.Dead
		queued += q.Queued()
	}
	return fmt.Sprintf("%s  received %d  stored %d  dead %d  queued %d  devices up %d  down %d",
		time.Now().Format(time.TimeOnly), received, stored, dead, queued, s.Devices.Up, s.Devices.Down)
}

// addresses says where everything is, with lines to copy.
func (u *Up) addresses(now time.Time) string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-8s  %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "\nSluice is up: facility %s, %s. Ctrl-C ends it.\n\n", u.config.Facility, u.where())
	line("devices", "%s", strings.Join(addressesOf(u.config.Listen), ", "))
	if u.config.API.TLS.Given() {
		line("readers", "gRPC %s, HTTPS %s (docs/api.md)", u.config.API.GRPC, u.config.API.HTTP)
	} else {
		u.readers(line)
	}
	if l := u.config.Listen; l.Users == "" && !l.Addresses[0].TLS.Given() {
		line("publish", "%s", publishLine(u.door().Address(), now))
	}
	if u.fleet != nil {
		line("outage", "%s device stop %s%04d --for 30s", u.command(), u.config.Device.Prefix, min(7, u.o.Demo))
	}
	line("status", "%s status", u.command())
	return b.String() + "\n"
}

// command is the operator's command for this process.
func (u *Up) command() string {
	const command = "go run ./cmd/sluice"
	if u.config.Admin == filepath.Join(UpFolder, AdminSocket) {
		return command
	}
	return "SLUICE_ADMIN=" + u.config.Admin + " " + command
}

// readers says how to read without TLS.
func (u *Up) readers(line func(what, format string, args ...any)) {
	api := u.config.API
	if api.HTTP != "" {
		line("rows", "curl -s 'http://%s/v1/sensor?format=csv&order=device_time&limit=5'", api.HTTP)
		line("live", "curl -sN 'http://%s/v1/events?types=reading'", api.HTTP)
	}
	line("gRPC", `grpcurl -plaintext -d '{"limit": 5}' %s sluice.v1.SluiceService/QuerySensorRows`, api.GRPC)
	line("Python", "PYTHONPATH=python python3 -m sluice_client --target %s --format csv", api.GRPC)
}

// where says where the data are.
func (u *Up) where() string {
	if u.o.Postgres {
		return "rows in PostgreSQL, queues in " + u.path()
	}
	return "data in " + u.path()
}

// publishLine publishes a reading from a shell, without a tool that knows protobuf.
func publishLine(address string, now time.Time) string {
	host, port, _ := net.SplitHostPort(address)
	payload, _ := proto.Marshal(&msg.SensorData{Device: "greenhouse-7", Temp: 21.5, Rh: 40.25, Epoch: now.Unix()}) // cannot fail
	var octal strings.Builder
	for _, b := range payload {
		fmt.Fprintf(&octal, "\\%03o", b)
	}
	return fmt.Sprintf("printf '%s' | mosquitto_pub -h %s -p %s -q 1 -t data/sensor -s", octal.String(), host, port)
}
