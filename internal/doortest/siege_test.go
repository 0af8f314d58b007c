package doortest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/pathload"
	"sluice/internal/process"
)

// siege is an attack while it runs, in a process of its own. Its addresses are not
// those of the well-behaved.
type siege struct {
	ctx     context.Context
	address string
	size    int // how many connections are held; other numbers follow from it
	wg      sync.WaitGroup
	begun   sync.WaitGroup // until the connections that are held are there
	tries   atomic.Int64   // connections made
	refused atomic.Int64   // connections that could not be made
	ended   atomic.Int64   // connections that the door ended
	unread  atomic.Int64   // messages whose PUBACKs nobody reads
}

// siegePlan is what such a process is told.
type siegePlan struct {
	Attack  string
	Address string
	Size    int
}

// envSiege holds a siegePlan in JSON; where it is set, this process is an attack.
const envSiege = "DOORTEST_SIEGE"

// What the process of an attack prints.
const (
	atFullStrength = "at full strength"
	siegeOver      = "siege over"
)

// startSiege begins an attack and returns when it has its full strength; end ends it
// and returns what it did.
func startSiege(t testing.TB, plan siegePlan) (end func() string) {
	t.Helper()
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	p := process.Start(t, envSiege, string(text))
	p.AwaitLog(atFullStrength, 1)
	return func() string { p.Terminate(); return p.LastLogged(siegeOver, "did") }
}

// besiege is the main function of an attack. Strangers have machines of their own: here
// they get a processor when nobody else wants it.
func besiege(text string) int {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var plan siegePlan
	if err := cmp.Or(json.Unmarshal([]byte(text), &plan), yield()); err != nil {
		log.Error("no siege", "err", err)
		return 1
	}
	g := &siege{ctx: ctx, address: plan.Address, size: plan.Size}
	for _, a := range attacks {
		if a.name == plan.Attack {
			a.run(g)
		}
	}
	g.begun.Wait()
	log.Info(atFullStrength)
	<-ctx.Done()
	g.wg.Wait()
	log.Info(siegeOver, "did", g.String())
	return 0
}

// yield gives all threads of this process the least priority, which new ones inherit.
func yield() error {
	threads, err := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		tid, _ := strconv.Atoi(t.Name()) // they all are numbers
		err = errors.Join(err, syscall.Setpriority(syscall.PRIO_PROCESS, tid, 19))
	}
	return err
}

func (g *siege) String() string {
	return fmt.Sprintf("%d connections, %d of them ended by the door; %d not made; %d messages whose PUBACKs nobody reads",
		g.tries.Load(), g.ended.Load(), g.refused.Load(), g.unread.Load())
}

// besiegers are the addresses from which the attacks come.
const besiegers = 20

// open makes a connection that ends with the siege; nil: it could not be made.
func (g *siege) open(i int) *raw {
	conn, err := dialFrom(2+i%besiegers, g.address)
	if err != nil {
		g.refused.Add(1)
		return nil
	}
	g.tries.Add(1)
	context.AfterFunc(g.ctx, func() { conn.Close() })
	return conn
}

// drain reads until the connection ends.
func (g *siege) drain(conn *raw) {
	_, _ = io.Copy(io.Discard, conn) // any end is one
	if g.ctx.Err() == nil {
		g.ended.Add(1)
	}
}

// hold keeps n connections for use, which ends with the connection; who is cut comes
// again. They come one after another, 2000 a second.
func (g *siege) hold(n int, use func(i int, conn *raw)) {
	const each = time.Second / 2000
	g.begun.Add(n)
	for i := range n {
		g.wg.Go(func() {
			g.pause(time.Duration(i) * each)
			begun := sync.OnceFunc(g.begun.Done)
			defer begun()
			for g.ctx.Err() == nil {
				conn := g.open(i)
				begun()
				if conn != nil {
					use(i, conn)
					conn.Close()
				}
				g.pause(100 * time.Millisecond)
			}
		})
	}
}

// storm makes about n connections a second, each for a use that is short.
func (g *siege) storm(n int, use func(i int, conn *raw)) {
	const workers = 20
	for w := range workers {
		g.wg.Go(func() {
			g.pause(time.Second * time.Duration(w) / time.Duration(n)) // they take turns
			tick := time.NewTicker(time.Second * workers / time.Duration(n))
			defer tick.Stop()
			for i := w; g.ctx.Err() == nil; i += workers {
				if conn := g.open(i); conn != nil {
					_ = conn.SetDeadline(time.Now().Add(2 * time.Second)) // so that the storm goes on
					use(i, conn)
					conn.Close()
				}
				select {
				case <-tick.C:
				case <-g.ctx.Done():
				}
			}
		})
	}
}

func (g *siege) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-g.ctx.Done():
	}
}

// halfOpen connects and says nothing.
func (g *siege) halfOpen() { g.hold(g.size, func(_ int, conn *raw) { g.drain(conn) }) }

// slowLoris sends a CONNECT by a byte a second.
func (g *siege) slowLoris() {
	hello := rawConnect(string(make([]byte, 200)), nil)
	g.hold(g.size/10, func(_ int, conn *raw) {
		g.wg.Go(func() {
			for _, b := range hello {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				g.pause(time.Second)
			}
		})
		g.drain(conn)
	})
}

// nonsense is what no client may send, before its CONNECT and behind it.
var nonsense = [][]byte{
	[]byte("GET / HTTP/1.1\r\nHost: door\r\n\r\n"),
	{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
	{0x00, 0x00},
	{0xf0, 0x00},
	{0x30, 0xff, 0xff, 0xff, 0xff, 0x01},
	{0x10, 0x04, 0x00, 0x04, 'M', 'Q'},
	{0x36, 0x05, 0x00, 0x01, 'a', 0x00, 0x01},
	{0x32, 0x05, 0x00, 0x01, 'a', 0x00, 0x00},
	{0x32, 0x03, 0xff, 0xff, 'a'},
	{0x32, 0x05, 0x00, 0x01, 0xff, 0x00, 0x01},
	{0x82, 0x02, 0x00, 0x01},
	{0x82, 0x05, 0x00, 0x01, 0x00, 0x09, 'x'},
	{0x80, 0x06, 0x00, 0x01, 0x00, 0x01, '#', 0x00},
	{0xa2, 0x03, 0x00, 0x01, 0x00},
	{0xc0, 0x01, 0x00},
	{0x40, 0x01, 0x00},
	{0xe0, 0x7f},
}

// name is that of a stranger's client.
func (g *siege) name(i int) string { return fmt.Sprintf("stranger-%d", i%1000) }

// greet connects as a client; false: the door does not answer.
func (g *siege) greet(i int, conn *raw) bool {
	_, err := conn.Write(rawConnect(g.name(i), nil))
	return err == nil && conn.expect(rawConnack...) == nil
}

// malformed sends nonsense, every other time behind a good CONNECT.
func (g *siege) malformed() {
	g.storm(g.size/10, func(i int, conn *raw) {
		if i/20%2 == 0 || g.greet(i, conn) {
			_, _ = conn.Write(nonsense[i%len(nonsense)])
			_ = conn.CloseWrite()
			g.drain(conn)
		}
	})
}

// truncated ends in the middle of a CONNECT or of a PUBLISH, by a reset now and then.
func (g *siege) truncated() {
	hello, publish := rawConnect("half", nil), rawPublish(pathload.RouteSensor, 1, make([]byte, 1000))
	g.storm(g.size/10, func(i int, conn *raw) {
		if i/20%2 == 0 {
			_, _ = conn.Write(hello[:1+i%(len(hello)-1)])
		} else if g.greet(i, conn) {
			_, _ = conn.Write(publish[:1+i%(len(publish)-1)])
		}
		if i%3 == 0 {
			_ = conn.reset()
		}
	})
}

// oversized announces 256 MB, or sends a payload above every limit, and goes on until
// it is stopped: as much as a gigabit carries.
func (g *siege) oversized() {
	block := make([]byte, 64<<10)
	huge := rawPublish(pathload.RouteSensor, 1, make([]byte, 1<<20))
	g.storm(max(g.size/500, 10), func(i int, conn *raw) {
		var err error
		switch {
		case i/20%3 == 0:
			_, err = conn.Write([]byte{0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60})
		case !g.greet(i, conn):
			return
		case i/20%3 == 1:
			_, err = conn.Write([]byte{0x32, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a', 0, 1})
		default:
			_, err = conn.Write(huge)
		}
		for n := 0; err == nil && n < 4<<20; n += len(block) {
			_, err = conn.Write(block)
		}
		g.drain(conn)
	})
}

// flood connects as a client and leaves without a word, up to 2000 times a second, as if
// ten thousand devices came back at once again and again; every other time by a name that
// has just been used.
func (g *siege) flood() {
	g.storm(g.size/5, func(i int, conn *raw) {
		if !g.greet(i/2, conn) {
			g.ended.Add(1)
		}
	})
}

// deaf devices publish and never read a PUBACK.
func (g *siege) deaf() {
	const burst, every = 400, 50 * time.Millisecond // 8000 a second each
	g.hold(max(g.size/3000, 1), func(i int, conn *raw) {
		_ = conn.tcp().SetReadBuffer(1)
		if !g.greet(i, conn) {
			return
		}
		for k := 0; g.ctx.Err() == nil; k += burst {
			var b []byte
			for j := range burst {
				m := pathload.Counted(1_000_000+i, int(g.tries.Load())<<20+k+j, 0)
				b = append(b, rawPublish(m.Topic, uint16((k+j)%0xffff)+1, m.Payload)...)
			}
			if _, err := conn.Write(b); err != nil {
				g.ended.Add(1)
				return
			}
			g.unread.Add(burst)
			g.pause(every)
		}
	})
}
