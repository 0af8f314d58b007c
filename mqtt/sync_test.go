package mqtt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"sluice"
	"sluice/internal/testenv"
)

const marker = "sluice/sync/plant-1"

// attended is a source of a router that watches presence.
func attended(t testing.TB, url string, change ...func(*Config)) *Source {
	t.Helper()
	return source(t, url, append([]func(*Config){func(c *Config) { c.Sync = marker }}, change...)...)
}

// attend answers CONNECT and the SUBSCRIBEs for one filter, marker and uptime.
func (p *peer) attend() {
	p.t.Helper()
	p.expect(packets.CONNECT)
	p.send(connackOK)
	for range 3 {
		p.expect(packets.SUBSCRIBE)
	}
	p.send(suback(1, 1), suback(2, 1), suback(3, 0))
}

func puback(id uint16, rest ...byte) []byte {
	return append([]byte{packets.PUBACK << 4, byte(2 + len(rest)), byte(id >> 8), byte(id)}, rest...)
}

// logbook keeps log lines.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// lines returns those that contain text.
func (l *logbook) lines(text string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

func (l *logbook) option(c *Config) { c.Logger = slog.New(slog.NewTextHandler(l, nil)) }

func TestOpen_Presence_SubscribesToMarkerAndUptime(t *testing.T) {
	t.Parallel()
	url := fakeBroker(t, func(p *peer) {
		p.expect(packets.CONNECT)
		p.send(connackOK)
		for i, want := range []packets.SubOptions{
			{Topic: "data/#", QoS: 1, RetainHandling: 2},
			{Topic: marker, QoS: 1, RetainHandling: 2},
			{Topic: "$SYS/broker/uptime", QoS: 0, RetainHandling: 0},
		} {
			s := p.expect(packets.SUBSCRIBE).Content.(*packets.Subscribe)
			if len(s.Subscriptions) != 1 || s.Subscriptions[0] != want || (s.Properties.SubscriptionIdentifier != nil) != (i == 0) {
				t.Errorf("subscription %d: got %v, want %+v, only the first with an identifier", i, s, want)
			}
			p.send(suback(uint16(i+1), want.QoS))
		}
		p.send(publishPacket(1, sluice.TopicUptime, 0, "", "12 seconds"), publishPacket(2, marker, 9, "", "mine"))
		p.wait()
	})
	got := receive(t, open(t, attended(t, url)), 2)
	if d := got[0]; string(d.Topic) != sluice.TopicUptime || d.QoS != 0 || !d.Retain || len(d.Subscriptions) != 0 {
		t.Errorf("got %+v, want the retained uptime", d)
	}
	if d := got[1]; string(d.Topic) != marker || d.QoS != 1 || d.PacketID != 9 || d.Retain || len(d.Subscriptions) != 0 {
		t.Errorf("got %+v, want the marker", d)
	}
}

func TestOpen_Presence_Refusals(t *testing.T) {
	t.Parallel()
	answer := func(codes ...byte) func(*peer) {
		return func(p *peer) {
			p.expect(packets.CONNECT)
			p.send(connackOK)
			for i, code := range codes {
				p.expect(packets.SUBSCRIBE)
				p.send(suback(uint16(i+1), code))
			}
			p.wait()
		}
	}
	for _, tt := range []struct {
		name  string
		codes []byte
		want  string // of the error, "" for none
		log   string
	}{
		{"uptime not authorized: outages are late, that is all", []byte{1, 1, 0x87}, "", "does not let us read"},
		{"uptime refused as a filter", []byte{1, 1, 0x8F}, "", "topic=$SYS/broker/uptime user=router"},
		{"uptime at QoS 1", []byte{1, 1, 1}, "SUBACK with code 1 for a subscription at QoS 0", ""},
		{"marker not authorized", []byte{1, 0x87, 0}, `filter "sluice/sync/plant-1": SUBACK 0x87: not authorized; let user "router" read it`, ""},
		{"marker at QoS 0 would overtake what it follows", []byte{1, 0, 0}, `filter "sluice/sync/plant-1": the broker grants QoS 0 only`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := &logbook{}
			s := attended(t, fakeBroker(t, answer(tt.codes...)), log.option, func(c *Config) { c.User = "router" })
			session, err := s.Open(patiently(t), sluice.Lease{}, nil)
			switch {
			case tt.want == "" && err == nil:
				session.Close()
			case tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.log != "" && len(log.lines(tt.log)) != 1 {
				t.Errorf("no log line about %q", tt.log)
			}
		})
	}
}

func TestMark_IsPublishedOnTheMarkersTopic(t *testing.T) {
	t.Parallel()
	opened := make(chan *session, 1)
	url := fakeBroker(t, func(p *peer) {
		p.attend()
		session := <-opened
		session.marks.Store(65534)
		for i, want := range []uint16{65535, 1, 2} { // 0 is no packet id
			if err := session.Mark(fmt.Appendf(nil, "token %d", i)); err != nil {
				t.Error(err)
			}
			m := p.expect(packets.PUBLISH).Content.(*packets.Publish)
			if m.Topic != marker || m.QoS != 1 || m.Retain || m.Duplicate || m.PacketID != want || string(m.Payload) != fmt.Sprint("token ", i) {
				t.Errorf("got %v, want marker %d with packet id %d", m, i, want)
			}
			p.send(puback(m.PacketID))
		}
		p.send(message(1, "messages go on"))
		p.wait()
	})
	session := open(t, attended(t, url))
	opened <- session
	receive(t, session, 1)
}

func TestMark_Refused_IsToldOnceAndMessagesGoOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		acks  [][]byte
		lines int
	}{
		{"accepted", [][]byte{puback(1), puback(2, 0), puback(3, 0, 0)}, 0},
		{"nobody is subscribed", [][]byte{puback(1, 0x10, 0)}, 0},
		{"not authorized", [][]byte{puback(1, 0x87), puback(2, 0x87, 0), puback(3, 0x87, 0)}, 1},
		{"not authorized, with a reason", [][]byte{puback(1, append([]byte{0x87, 7, 0x1F, 0, 4}, "deny"...)...)}, 1},
		{"quota", [][]byte{puback(1), puback(2, 0x97)}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := &logbook{}
			marked := make(chan struct{})
			session := open(t, attended(t, fakeBroker(t, func(p *peer) {
				p.attend()
				<-marked
				p.send(tt.acks...)
				p.send(message(1, "x"))
				p.expectDisconnect(codeSuccess)
			}), log.option))
			for range tt.acks {
				if err := session.Mark([]byte("m")); err != nil {
					t.Error(err)
				}
			}
			close(marked)
			receive(t, session, 1)
			if got := log.lines("refuses the marker"); len(got) != tt.lines {
				t.Errorf("got log lines %q, want %d", got, tt.lines)
			} else if tt.lines > 0 && !strings.Contains(got[0], "topic="+marker) {
				t.Errorf("got %q, want the topic in it", got[0])
			}
			session.Close()
		})
	}
}

func TestMark_AnswersThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		marks int
		ack   []byte
	}{
		{"PUBACK for nothing", 0, puback(1)},
		{"refusal of nothing", 0, puback(1, 0x87)},
		{"PUBACK without a packet id", 1, []byte{packets.PUBACK << 4, 1, 0}},
		{"empty PUBACK", 1, []byte{packets.PUBACK << 4, 0}},
		{"PUBACK with flags [MQTT-2.1.3-1]", 1, []byte{packets.PUBACK<<4 | 1, 2, 0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			marked := make(chan struct{})
			session := open(t, attended(t, fakeBroker(t, func(p *peer) {
				p.attend()
				<-marked
				p.send(message(1, "good"), tt.ack)
				for range tt.marks {
					p.expect(packets.PUBLISH)
				}
				cp, err := packets.ReadPacket(p.in)
				if err != nil {
					p.failf("%v, want DISCONNECT", err)
				}
				if d, ok := cp.Content.(*packets.Disconnect); !ok || d.ReasonCode != codeProtocolError && d.ReasonCode != codeMalformed {
					t.Errorf("got %v, want DISCONNECT for a broken protocol", cp)
				}
			})))
			for range tt.marks {
				if err := session.Mark([]byte("m")); err != nil {
					t.Error(err)
				}
			}
			close(marked)
			receive(t, session, 1)
			if _, ok := errors.AsType[*protocolError](receiveError(t, session)); !ok {
				t.Errorf("got %v, want a broken protocol", session.cause())
			}
		})
	}
}

func TestMark_AfterTheEnd_Fails(t *testing.T) {
	t.Parallel()
	session := open(t, attended(t, fakeBroker(t, func(p *peer) { p.attend(); p.expectDisconnect(codeSuccess) })))
	session.Close()
	if err := session.Mark([]byte("late")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// isMark tells whether d is a marker, isUptime an uptime.
func isMark(d sluice.Delivery) bool   { return string(d.Topic) == marker }
func isUptime(d sluice.Delivery) bool { return string(d.Topic) == sluice.TopicUptime }

// inbox gives the messages of a session one by one, acknowledged.
type inbox struct {
	*session
	waiting []sluice.Delivery
}

func (in *inbox) next(t testing.TB) sluice.Delivery {
	t.Helper()
	if len(in.waiting) == 0 {
		in.waiting = receive(t, in.session, 1)
		ack(t, in.session, in.waiting)
	}
	d := in.waiting[0]
	in.waiting = in.waiting[1:]
	return d
}

// until returns the first message that is wanted.
func (in *inbox) until(t testing.TB, wanted func(sluice.Delivery) bool) sluice.Delivery {
	t.Helper()
	for {
		if d := in.next(t); wanted(d) {
			return d
		}
	}
}

func mark(t testing.TB, s *session, payload string) {
	t.Helper()
	if err := s.Mark([]byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func TestMosquitto_Marker_ComesBackBehindTheBacklog(t *testing.T) {
	t.Parallel()
	const n = 3000
	b := testenv.Mosquitto(t)
	in := &inbox{session: open(t, attended(t, b.URL(), func(c *Config) { c.ReceiveMaximum = 50 }))}
	mustPub(t, b.Addr(), "data/x", numbers(0, n)) // all accepted by the broker, 50 sent on
	mark(t, in.session, "first")
	mustPub(t, b.Addr(), "data/x", numbers(n, 2*n))
	mark(t, in.session, "second")
	var before []sluice.Delivery
	for i, want := range []string{"first", "second"} {
		d := in.until(t, func(d sluice.Delivery) bool {
			if !isMark(d) && !isUptime(d) {
				before = append(before, d)
			}
			return isMark(d)
		})
		if string(d.Payload) != want || d.QoS != 1 || d.Retain || d.Dup || len(before) != (i+1)*n {
			t.Fatalf("got marker %+v behind %d messages, want %q behind %d", d, len(before), want, (i+1)*n)
		}
	}
	checkNumbers(t, before, 0)
}

func TestMosquitto_Marker_WhatItsSessionHadNotSeenComesFirst(t *testing.T) {
	t.Parallel()
	const n = 1000
	b := testenv.Mosquitto(t)
	s := attended(t, b.URL())
	open(t, s).Close()
	mustPub(t, b.Addr(), "data/x", numbers(0, n)) // while nobody is there
	in := &inbox{session: open(t, s)}
	mark(t, in.session, "m")
	for i := range n {
		if d := in.until(t, func(d sluice.Delivery) bool { return !isUptime(d) }); string(d.Payload) != strconv.Itoa(i) {
			t.Fatalf("got %s %q, want message %d", d.Topic, d.Payload, i)
		}
	}
	in.until(t, isMark)
}

func TestMosquitto_Markers_OfManyGoroutinesAllComeBack(t *testing.T) {
	t.Parallel()
	const each = 50
	b := testenv.Mosquitto(t)
	in := &inbox{session: open(t, attended(t, b.URL()))}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range each {
				if err := in.Mark(fmt.Appendf(nil, "%d %d", g, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	defer wg.Wait()
	next := map[string]int{}
	for range 4 * each {
		d := in.until(t, isMark)
		from, number, _ := strings.Cut(string(d.Payload), " ")
		if number != strconv.Itoa(next[from]) {
			t.Fatalf("got marker %s of goroutine %s, want %d", number, from, next[from])
		}
		next[from]++
	}
}

// accessList is the option for a broker at which the user router may do this.
func accessList(t testing.TB, lines ...string) []testenv.Option {
	t.Helper()
	file := filepath.Join(t.TempDir(), "acl")
	text := "user pub\ntopic write data/#\ntopic read $SYS/#\nuser router\n" + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return []testenv.Option{
		testenv.Users(map[string]string{"router": "secret", "pub": "secret"}),
		testenv.Config("acl_file "+file, "sys_interval 1"),
	}
}

func TestMosquitto_AccessListRefuses(t *testing.T) {
	t.Parallel()
	readMarker, writeMarker, readUptime := "topic read "+marker, "topic write "+marker, "topic read $SYS/broker/uptime"
	for _, tt := range []struct {
		name         string
		lines        []string
		told         bool // that the marker is refused
		mark, uptime bool // come
	}{
		{"nothing", []string{readMarker, writeMarker, readUptime}, false, true, true},
		{"to write the marker", []string{readMarker, readUptime}, true, false, true},
		{"to read the marker: nothing tells, but it does not come back", []string{writeMarker, readUptime}, false, false, true},
		{"to read the uptime: nothing tells, but it does not come", []string{readMarker, writeMarker}, false, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := testenv.Mosquitto(t, accessList(t, append(tt.lines, "topic read data/#")...)...)
			log := &logbook{}
			in := &inbox{session: open(t, attended(t, b.URL(), log.option, func(c *Config) { c.User, c.Password = "router", "secret" }))}
			observer := &inbox{session: open(t, source(t, b.URL(), func(c *Config) {
				c.User, c.Password, c.Filters = "pub", "secret", filters(t, sluice.TopicUptime)
			}))}
			for range 2 {
				mark(t, in.session, "m")
			}
			// Whatever comes of markers and uptimes comes before what is published then.
			for range 3 {
				observer.next(t)
			}
			observer.Close()
			if err := mosquittoPub(t.Context(), b.Addr(), "data/x", numbers(0, 1), "-u", "pub", "-P", "secret"); err != nil {
				t.Fatal(err)
			}
			got := map[string]int{} // by topic
			for got["data/x"] == 0 {
				got[string(in.next(t).Topic)]++
			}
			if (got[marker] == 2) != tt.mark || (got[marker] == 0) == tt.mark || (got[sluice.TopicUptime] > 0) != tt.uptime {
				t.Errorf("got %v, want markers: %t, uptimes: %t", got, tt.mark, tt.uptime)
			}
			want := 0
			if tt.told {
				want = 1
			}
			if got := log.lines("refuses the marker"); len(got) != want {
				t.Errorf("got log lines %q, want %d", got, want)
			}
		})
	}
}

func TestMosquitto_Uptime_RetainedAtOnceThenLive(t *testing.T) {
	t.Parallel()
	b := testenv.Mosquitto(t, testenv.Config("sys_interval 1"))
	s := attended(t, b.URL())
	in := &inbox{session: open(t, s)}
	last := uptimeOf(t, in.until(t, func(d sluice.Delivery) bool { return isUptime(d) && !d.Retain }))
	// Also to a session that the broker knows already.
	for range 2 {
		in.Close()
		in = &inbox{session: open(t, s)}
		if !in.Resumed() {
			t.Error("not resumed")
		}
		for _, retained := range []bool{true, false, false} {
			d := in.until(t, isUptime)
			up := uptimeOf(t, d)
			if d.Retain != retained || d.QoS != 0 || up < last {
				t.Errorf("got %+v, want retained %t, at QoS 0, at least %d seconds", d, retained, last)
			}
			last = up
		}
	}
}

// uptimeOf returns the seconds of an uptime.
func uptimeOf(t testing.TB, d sluice.Delivery) int {
	t.Helper()
	number, unit, _ := strings.Cut(string(d.Payload), " ")
	n, err := strconv.Atoi(number)
	if err != nil || unit != "seconds" {
		t.Fatalf("got uptime %q", d.Payload)
	}
	return n
}

func TestMosquitto_Uptime_OvertakesWhatWaits(t *testing.T) {
	t.Parallel()
	const most, n = 10, 1000
	b := testenv.Mosquitto(t, testenv.Config("sys_interval 1"))
	session := open(t, attended(t, b.URL(), func(c *Config) { c.ReceiveMaximum = most }))
	mustPub(t, b.Addr(), "data/x", numbers(0, n))
	// Nothing is acknowledged, so the other messages stay where they are.
	for live, messages := 0, 0; live < 3; {
		for _, d := range receive(t, session, 1) {
			switch {
			case !isUptime(d):
				messages++
			case !d.Retain:
				live++
			}
		}
		if messages > most {
			t.Fatalf("got %d messages, want %d until they are acknowledged", messages, most)
		}
	}
}

// A marker that was not acknowledged is sent again to the next session, which
// knows by its token that it is not its own.
func TestMosquitto_Marker_OfASessionThatBroke_ComesToTheNext(t *testing.T) {
	t.Parallel()
	b := testenv.Mosquitto(t)
	link := testenv.Proxy(t, b.Addr())
	s := attended(t, "mqtt://"+link.Addr())
	first := open(t, s)
	mark(t, first, "old")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for old := false; !old; {
		ds, err := first.Receive(ctx) // and not acknowledged
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			old = old || isMark(d)
		}
	}
	link.Reset()
	receiveError(t, first)
	in := &inbox{session: open(t, s)}
	mark(t, in.session, "new")
	for _, want := range []struct {
		payload string
		dup     bool
	}{{"old", true}, {"new", false}} {
		if d := in.until(t, isMark); string(d.Payload) != want.payload || d.Dup != want.dup {
			t.Errorf("got %+v, want %+v", d, want)
		}
	}
}
