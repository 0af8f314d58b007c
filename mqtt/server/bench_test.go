package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/sluicetest"
)

// loadEnv makes this test binary a load generator: address, connections, messages of
// each, window.
const loadEnv = "SLUICE_DOOR_LOAD"

func TestMain(m *testing.M) {
	if os.Getenv(loadEnv) != "" {
		os.Exit(loadMain(os.Args[1:]))
	}
	verify(m)
}

// opened opens the door on a memory queue, without an engine.
func opened(t testing.TB, c Config) (*Server, *session) {
	t.Helper()
	return openedWith(t, false, nil, c)
}

func openedWith(t testing.TB, secure bool, a *authority, c Config) (*Server, *session) {
	t.Helper()
	q := sluicetest.NewQueue()
	lease, err := q.Lease(t.Context(), "door-1", "test", time.Hour)
	if err == nil {
		err = q.EnterDoor(t.Context(), lease)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Listeners, c.Registry = []Listener{{Address: "127.0.0.1:0"}}, q
	if secure {
		a.secure("")(&c)
	}
	server := New(c)
	s, err := server.Open(t.Context(), lease, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); server.Close() })
	return server, s.(*session)
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDoor measures what a message costs the door: read, inbox, PUBACK. Its
// clients are another process.
func BenchmarkDoor(b *testing.B) {
	for _, window := range []int{20, 1} {
		b.Run(fmt.Sprintf("connections=100/window=%d", window), func(b *testing.B) { benchDoor(b, 100, window) })
	}
}

func benchDoor(b *testing.B, connections, window int) {
	server, s := opened(b, Config{})
	each := b.N/connections + 1
	load := exec.CommandContext(b.Context(), os.Args[0], server.Addr(0).String(), strconv.Itoa(connections), strconv.Itoa(each), strconv.Itoa(window))
	load.Env = append(os.Environ(), loadEnv+"=1")
	load.Stderr = os.Stderr
	if err := load.Start(); err != nil {
		b.Fatal(err)
	}
	groups, total := 0, connections*each
	var began time.Duration
	for n := 0; n < total; {
		ds, err := s.Receive(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			began = cpu()
			b.ResetTimer()
		}
		n += len(ds)
		groups++
		s.Ack(ds)
	}
	spent := cpu() - began
	b.StopTimer()
	load.Wait()
	b.ReportMetric(float64(spent.Nanoseconds())/float64(total)/1000, "cpu-us/msg")
	b.ReportMetric(float64(total)/float64(groups), "msg/group")
}

// loadMain keeps window messages in flight on each connection.
func loadMain(args []string) int {
	if os.Getenv(loadEnv) == "idle" {
		return idleMain(args)
	}
	n := [3]int{}
	for i := range n {
		n[i], _ = strconv.Atoi(args[i+1])
	}
	var wg sync.WaitGroup
	for i := range n[0] {
		wg.Go(func() {
			if err := load(args[0], fmt.Sprintf("load-%d", i), n[1], n[2]); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	wg.Wait()
	return 0
}

func load(address, id string, messages, window int) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.Write(hello{version: 4, id: id, clean: true}.packet())
	in := bufio.NewReaderSize(conn, 4<<10)
	if _, err := in.Discard(4); err != nil {
		return err
	}
	payload := make([]byte, 41)
	out := []byte{}
	for sent, acked := 0, 0; acked < messages; {
		out = out[:0]
		for ; sent < messages && sent-acked < window; sent++ {
			body := append(binary.BigEndian.AppendUint16(str(nil, "data/sensor/"+id), uint16(sent%65535+1)), payload...)
			out = append(out, packet(0x32, body)...)
		}
		conn.Write(out)
		if _, err := in.Peek(4); err != nil {
			return err
		}
		got := in.Buffered() / 4
		in.Discard(4 * got)
		acked += got
	}
	return nil
}
