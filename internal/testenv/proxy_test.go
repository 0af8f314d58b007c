package testenv_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/testenv"
)

// echo is a server that sends every line back and counts those it has seen.
type echo struct {
	addr  string
	lines atomic.Int64
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { e.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return e
}

func (e *echo) serve(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewScanner(conn); in.Scan(); {
		e.lines.Add(1)
		if _, err := fmt.Fprintln(conn, in.Text()); err != nil {
			return
		}
	}
}

// client is one connection to an echo server.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) read(within time.Duration) (string, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(within))
	return c.in.ReadString('\n')
}

func (c *client) expect(want string) {
	c.t.Helper()
	if got, err := c.read(10 * time.Second); got != want {
		c.t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// expectSilence checks that the connection is open and nothing comes.
func (c *client) expectSilence() {
	c.t.Helper()
	if got, err := c.read(50 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("got %q, %v, want silence", got, err)
	}
}

func (c *client) expectEnd() {
	c.t.Helper()
	got, err := c.read(10 * time.Second)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("got %q, %v, want the end of the connection", got, err)
	}
}

func TestProxy_PassesBytesAndEnds(t *testing.T) {
	t.Parallel()
	link := testenv.Proxy(t, newEcho(t).addr)
	c := dial(t, link.Addr())
	c.send("a\n")
	c.expect("a\n")
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.read(10 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("after the client's end: got %q, %v, want EOF", got, err)
	}
}

func TestProxy_Cut_RefusesUntilMend(t *testing.T) {
	t.Parallel()
	link := testenv.Proxy(t, newEcho(t).addr)
	c := dial(t, link.Addr())
	c.send("a\n")
	c.expect("a\n")
	link.Cut()
	c.expectEnd()
	if conn, err := net.Dial("tcp", link.Addr()); err == nil {
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("a cut link gave %d bytes", n)
		}
		conn.Close()
	}
	link.Mend()
	c = dial(t, link.Addr())
	c.send("b\n")
	c.expect("b\n")
}

func TestProxy_Pause_HoldsBytesUntilResume(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	link := testenv.Proxy(t, server.addr)
	c := dial(t, link.Addr())
	link.Pause()
	c.send("a\n")
	c.expectSilence()
	if n := server.lines.Load(); n != 0 {
		t.Errorf("the server saw %d lines, want 0", n)
	}
	link.Resume()
	c.expect("a\n")
}

func TestProxy_On_LosesTheReplyToOneRequest(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	link := testenv.Proxy(t, server.addr)
	c := dial(t, link.Addr())
	done := link.On(testenv.ToServer, []byte("second"), func() { link.Lose(testenv.ToClient) })
	c.send("first\n")
	c.expect("first\n")
	c.send("sec") // the pattern comes in two reads
	c.expectSilence()
	c.send("ond\n")
	<-done
	testenv.Eventually(t, 10*time.Second, func() error {
		if n := server.lines.Load(); n != 2 {
			return fmt.Errorf("the server saw %d lines, want 2", n)
		}
		return nil
	})
	c.expectSilence()
	link.Reset()
	c.expectEnd()
	link.Resume()
	c = dial(t, link.Addr())
	c.send("third\n")
	c.expect("third\n")
}

func TestProxy_On_HoldsThePatternItself(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	link := testenv.Proxy(t, server.addr)
	c := dial(t, link.Addr())
	done := link.On(testenv.ToServer, []byte("x"), func() { link.Hold(testenv.ToServer) })
	c.send("x\n")
	<-done
	c.expectSilence()
	if n := server.lines.Load(); n != 0 {
		t.Errorf("the server saw %d lines, want 0", n)
	}
	link.Resume()
	c.expect("x\n")
}

func TestBalance_TakesTurnsAndPassesOverTheDead(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	a, b := newEcho(t), newEcho(t)
	link := testenv.Balance(t, a.addr, gone.Addr().String(), b.addr)
	for range 6 { // a, the dead one and so b, a ...
		c := dial(t, link.Addr())
		c.send("hello\n")
		c.expect("hello\n")
	}
	if got := [2]int64{a.lines.Load(), b.lines.Load()}; got != [2]int64{3, 3} {
		t.Errorf("connections to the two that live: %v, want 3 each", got)
	}
	if open := link.Open(); open[0]+open[2] != 6 || open[1] != 0 {
		t.Errorf("open: %v, want 6 in all and none to the dead one", open)
	}
}

func TestProxy_Freeze_HoldsSomeUntilThaw(t *testing.T) {
	t.Parallel()
	e := newEcho(t)
	link := testenv.Proxy(t, e.addr)
	c := dial(t, link.Addr())
	c.send("one\n")
	c.expect("one\n")
	if n := link.Freeze(1); n != 1 {
		t.Fatalf("%d connections frozen, want 1", n)
	}
	c.send("two\n")
	c.expectSilence()
	other := dial(t, link.Addr()) // a new one goes through
	other.send("three\n")
	other.expect("three\n")
	link.Thaw()
	c.expect("two\n")
}
