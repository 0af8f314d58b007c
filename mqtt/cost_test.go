package mqtt

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// BenchmarkMosquitto measures what receiving and acknowledging costs this
// process per message, user and system time, with mosquitto_pub as the sender:
// at full speed and paced. Wall time is the broker's; cpu-us/msg is ours.
//
//	go test -run '^$' -bench Mosquitto -benchtime 1x ./mqtt
func BenchmarkMosquitto(b *testing.B) {
	payload := strings.Repeat("x", 41)
	full := func(senders, each int) func(*testing.B, string) []*exec.Cmd {
		return func(b *testing.B, addr string) []*exec.Cmd {
			file := filepath.Join(b.TempDir(), "lines")
			if err := os.WriteFile(file, []byte(strings.Repeat(payload+"\n", each)), 0o600); err != nil {
				b.Fatal(err)
			}
			var cmds []*exec.Cmd
			for range senders {
				lines, err := os.Open(file)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { lines.Close() })
				cmd := pub(addr, "-l")
				cmd.Stdin = lines // a file: no copying in this process
				cmds = append(cmds, cmd)
			}
			return cmds
		}
	}
	paced := func(senders, each int, delay time.Duration) func(*testing.B, string) []*exec.Cmd {
		return func(_ *testing.B, addr string) []*exec.Cmd {
			var cmds []*exec.Cmd
			for range senders {
				cmds = append(cmds, pub(addr, "-m", payload, "--repeat", fmt.Sprint(each), "--repeat-delay", fmt.Sprint(delay.Seconds())))
			}
			return cmds
		}
	}
	for _, bm := range []struct {
		name   string
		send   func(*testing.B, string) []*exec.Cmd
		total  int
		gather time.Duration
	}{
		{"full speed", full(8, 25_000), 200_000, 0},
		{"full speed, no gather", full(8, 25_000), 200_000, -1},
		{"paced", paced(10, 2000, 2*time.Millisecond), 20_000, 0},
		{"paced, no gather", paced(10, 2000, 2*time.Millisecond), 20_000, -1},
	} {
		b.Run(bm.name, func(b *testing.B) {
			for b.Loop() {
				measure(b, bm.total, bm.gather, bm.send)
			}
		})
	}
}

func pub(addr string, args ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	return exec.Command("mosquitto_pub", append([]string{"-h", host, "-p", port, "-V", "5", "-q", "1", "-t", "data/sensor"}, args...)...)
}

func measure(b *testing.B, total int, gather time.Duration, send func(*testing.B, string) []*exec.Cmd) {
	broker := testenv.Mosquitto(b)
	s := NewSource(Config{URL: broker.URL(), Filters: filters(b, "data/sensor"), Gather: gather})
	session := open(b, s)
	cmds := send(b, broker.Addr())
	for _, c := range cmds {
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
	}
	ctx := patiently(b)
	cpu, began := time.Duration(0), time.Time{}
	for n := 0; n < total; {
		ds, err := session.Receive(ctx)
		if err != nil {
			b.Fatalf("after %d of %d messages: %v", n, total, err)
		}
		if n == 0 {
			cpu, began = usage(b), time.Now()
		}
		if err := session.Ack(ds); err != nil {
			b.Fatal(err)
		}
		n += len(ds)
	}
	took := time.Since(began)
	cpu = usage(b) - cpu
	for _, c := range cmds {
		if err := c.Wait(); err != nil {
			b.Error(err)
		}
	}
	st := s.Stats()
	b.ReportMetric(float64(cpu.Microseconds())/float64(total), "cpu-us/msg")
	b.ReportMetric(float64(total)/took.Seconds(), "msg/s")
	b.ReportMetric(float64(total)/float64(st.Reads), "msg/read")
	b.ReportMetric(float64(st.Holds), "holds")
}

// usage is the CPU time of this process so far.
func usage(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
