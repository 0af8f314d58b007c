package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"sluice/internal/testenv"
)

// TestIdleConnections_TakeLittleMemory: <= 16 KiB each.
func TestIdleConnections_TakeLittleMemory(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures memory")
	}
	const n = 10_000
	server, s := opened(t, Config{Burst: n})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for {
			ds, err := s.Receive(ctx)
			if err != nil {
				return
			}
			s.Ack(ds)
		}
	}()
	before := inUse()
	load := exec.CommandContext(t.Context(), os.Args[0], server.Addr(0).String(), strconv.Itoa(n))
	load.Env = append(os.Environ(), loadEnv+"=idle")
	hold, err := load.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	load.Stderr = os.Stderr
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	awaitStats(t, server, func(st Stats) bool { return st.PublishesQoS1 == n })
	per := (inUse() - before) / n
	t.Logf("%d bytes per idle connection, stack included, and the registry's in memory", per)
	if per > 16<<10 {
		t.Errorf("%d bytes per idle connection, want at most 16 KiB", per)
	}
	hold.Close()
	load.Wait()
}

// inUse is memory of heap and stacks after a collection.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// idleMain opens connections, sends a message on each, and holds them until its
// standard input ends.
func idleMain(args []string) int {
	n, _ := strconv.Atoi(args[1])
	var wg sync.WaitGroup
	conns := make([]net.Conn, n)
	for i := range 50 {
		wg.Go(func() {
			for ; i < n; i += 50 {
				conns[i] = idleClient(args[0], fmt.Sprintf("idle-%d", i))
			}
		})
	}
	wg.Wait()
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	return 0
}

func idleClient(address, id string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return nil
	}
	will := &testWill{topic: "lwt/" + id, payload: make([]byte, 20)}
	conn.Write(hello{version: 4, id: id, clean: true, keepalive: 60, will: will}.packet())
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	c := &client{Conn: conn, version: 4}
	conn.Write(c.message("data/sensor/"+id, "0123456789", 1, 0))
	_, _ = io.ReadFull(conn, answer)
	return conn
}

func awaitStats(t testing.TB, s *Server, check func(Stats) bool) {
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		if st := s.Stats(); !check(st) {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
}
