package mqtt

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sluice"
	"sluice/internal/testenv"
)

// mosquittoPub sends each line as a message at QoS 1 and returns when all are
// acknowledged. It ends with ctx: left alone, mosquitto_pub reconnects for ever,
// also to the broker of a later test on the same port.
func mosquittoPub(ctx context.Context, addr, topic string, lines []byte, more ...string) error {
	host, port, _ := net.SplitHostPort(addr)
	args := append([]string{"-h", host, "-p", port, "-V", "5", "-q", "1", "-t", topic, "-l"}, more...)
	cmd := exec.CommandContext(ctx, "mosquitto_pub", args...)
	cmd.Stdin = bytes.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mosquitto_pub: %w: %s", err, out)
	}
	return nil
}

func mustPub(t testing.TB, addr, topic string, lines []byte) {
	t.Helper()
	if err := mosquittoPub(t.Context(), addr, topic, lines); err != nil {
		t.Fatal(err)
	}
}

// numbers returns lines with the numbers from..to-1.
func numbers(from, to int) []byte {
	var b bytes.Buffer
	for i := from; i < to; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.Bytes()
}

// checkNumbers checks that ds are the numbers from first, in order, and nothing
// else.
func checkNumbers(t testing.TB, ds []sluice.Delivery, first int) {
	t.Helper()
	for i, d := range ds {
		if got, want := string(d.Payload), strconv.Itoa(first+i); got != want {
			t.Fatalf("message %d: got %q, want %q", i, got, want)
		}
	}
}

func TestMosquitto_Overlap_AllInOrder_CopiesNamedBySubscription(t *testing.T) {
	t.Parallel()
	const n = 20000
	b := testenv.Mosquitto(t)
	s := NewSource(Config{URL: b.URL(), Filters: filters(t, "data/sensor/{device}", "data/#")})
	session := open(t, s)
	if session.Resumed() {
		t.Error("a fresh broker resumed a session")
	}
	sent := make(chan error, 1)
	go func() { sent <- mosquittoPub(t.Context(), b.Addr(), "data/sensor/d1", numbers(0, n)) }()
	var next [3]int // by subscription
	ctx := patiently(t)
	for next[1] < n || next[2] < n {
		ds, err := session.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if len(d.Subscriptions) != 1 || d.QoS != 1 || string(d.Topic) != "data/sensor/d1" || d.Dup || d.Retain {
				t.Fatalf("got %+v", d)
			}
			sub := d.Subscriptions[0]
			if got, want := string(d.Payload), strconv.Itoa(next[sub]); got != want {
				t.Fatalf("subscription %d: got message %s, want %s", sub, got, want)
			}
			next[sub]++
		}
		ack(t, session, ds)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	st := s.Stats()
	if st.ReceivedQoS1 != 2*n || st.Acked != 2*n || st.Stale != 0 || st.Connects != 1 {
		t.Errorf("got %+v", st)
	}
	if st.Reads > n/10 {
		t.Errorf("got %d reads for %d messages", st.Reads, 2*n)
	}
}

func TestMosquitto_ConnectionCut_ResumesWithDupAndSameIDs(t *testing.T) {
	t.Parallel()
	b := testenv.Mosquitto(t)
	link := testenv.Proxy(t, b.Addr())
	s := NewSource(Config{URL: "mqtt://" + link.Addr(), Filters: filters(t, "data/#")})
	first := open(t, s)
	mustPub(t, b.Addr(), "data/x", numbers(0, 100))
	got := receive(t, first, 100)
	ack(t, first, got[:40])
	link.Reset()
	if err := receiveError(t, first); errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want the cause", err)
	}

	second := open(t, s)
	if !second.Resumed() {
		t.Fatal("not resumed")
	}
	again := receive(t, second, 60)
	// The reset may have thrown acknowledgements away too.
	for i, d := range again[len(again)-60:] {
		want := got[40+i]
		if !d.Dup || d.PacketID != want.PacketID || string(d.Payload) != string(want.Payload) {
			t.Fatalf("got %+v, want %+v again", d, want)
		}
	}
}

func TestMosquitto_ReceiveMaximum_HoldsTheRestBack(t *testing.T) {
	t.Parallel()
	const most, n = 50, 500
	b := testenv.Mosquitto(t)
	s := NewSource(Config{URL: b.URL(), Filters: filters(t, "data/#"), ReceiveMaximum: most, KeepAlive: time.Second})
	session := open(t, s)
	mustPub(t, b.Addr(), "data/x", numbers(0, n)) // all accepted by the broker
	got := receive(t, session, most)
	// Nothing is acknowledged for longer than the broker's patience, 1.5 s: the
	// connection lives on its PINGs, and no message comes beyond the maximum.
	waitWrites(t, session, 5)
	if len(got) != most || s.Stats().ReceivedQoS1 != most {
		t.Fatalf("got %d messages, want %d", s.Stats().ReceivedQoS1, most)
	}
	ack(t, session, got)
	for len(got) < n {
		ds, err := session.Receive(patiently(t))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, clone(ds)...)
		ack(t, session, ds)
	}
	checkNumbers(t, got, 0)
	if s.Stats().Connects != 1 {
		t.Errorf("got %+v", s.Stats())
	}
}

// waitWrites waits until the session has written n more packets: with nothing to
// acknowledge these are PINGREQs, each a half to three quarters of the keepalive
// interval after the last.
func waitWrites(t testing.TB, s *session, n uint64) {
	t.Helper()
	want := s.writes.Load() + n
	testenv.Eventually(t, patience, func() error {
		if got := s.writes.Load(); got < want {
			return fmt.Errorf("%d writes, want %d", got, want)
		}
		return nil
	})
	select {
	case <-s.done:
		t.Fatalf("the session ended: %v", s.cause())
	default:
	}
}

func TestMosquitto_TakenOver_EndsWithAdvice(t *testing.T) {
	t.Parallel()
	b := testenv.Mosquitto(t)
	c := Config{URL: b.URL(), Filters: filters(t, "data/#")}
	first := open(t, NewSource(c))
	second := open(t, NewSource(c))
	if err := receiveError(t, first); !errors.Is(err, io.EOF) {
		if r, ok := errors.AsType[*ReasonError](err); !ok || r.Code != 0x8E { // newer brokers tell
			t.Errorf("got %v", err)
		}
	}
	if !second.Resumed() {
		t.Error("the session was not handed on")
	}
	mustPub(t, b.Addr(), "data/x", numbers(0, 10))
	checkNumbers(t, receive(t, second, 10), 0)
}

func TestMosquitto_Restarted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		signal  syscall.Signal
		resumed bool
	}{
		{"stopped: it has saved the session", syscall.SIGTERM, true},
		{"killed before it ever saved: the session is gone", syscall.SIGKILL, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := testenv.Mosquitto(t, testenv.Config("autosave_interval 1800", "autosave_on_changes false"))
			s := NewSource(Config{URL: b.URL(), Filters: filters(t, "data/#")})
			session := open(t, s)
			mustPub(t, b.Addr(), "data/x", numbers(0, 10))
			receive(t, session, 10)
			b.Stop(tt.signal)
			receiveError(t, session)
			if _, err := s.Open(patiently(t), sluice.Lease{}, nil); err == nil {
				t.Fatal("connected to a broker that is not there")
			}
			b.Start()
			session = open(t, s)
			if session.Resumed() != tt.resumed {
				t.Fatalf("got resumed %t, want %t", session.Resumed(), tt.resumed)
			}
			if tt.resumed {
				checkNumbers(t, receive(t, session, 10), 0)
			}
		})
	}
}

// TestMosquitto_FiltersChanged_QueuedMessagesKeepTheirFilter: see identifiers.
func TestMosquitto_FiltersChanged_QueuedMessagesKeepTheirFilter(t *testing.T) {
	t.Parallel()
	b := testenv.Mosquitto(t)
	before := open(t, NewSource(Config{URL: b.URL(), Filters: filters(t, "data/b", "data/old")}))
	before.Close()
	mustPub(t, b.Addr(), "data/b", numbers(0, 1))
	mustPub(t, b.Addr(), "data/old", numbers(1, 2))
	s := NewSource(Config{URL: b.URL(), Filters: filters(t, "data/a", "data/b")})
	got := receive(t, open(t, s), 2)
	if d := got[0]; string(d.Topic) != "data/b" || len(d.Subscriptions) != 1 || d.Subscriptions[0] != 2 {
		t.Errorf("got %+v, want subscription 2", d)
	}
	if d := got[1]; string(d.Topic) != "data/old" || len(d.Subscriptions) != 1 || d.Subscriptions[0] != StaleSubscription {
		t.Errorf("got %+v, want a stale subscription", d)
	}
	if st := s.Stats(); st.Stale != 1 {
		t.Errorf("got %+v", st)
	}
}

func TestMosquitto_WrongPassword_Advice(t *testing.T) {
	t.Parallel()
	b := testenv.Mosquitto(t, testenv.Users(map[string]string{"router": "right"}))
	c := Config{URL: b.URL(), User: "router", Password: "wrong", Filters: filters(t, "data/#")}
	_, err := NewSource(c).Open(patiently(t), sluice.Lease{}, nil)
	if r, ok := errors.AsType[*ReasonError](err); !ok || r.Code != codeNotAuthorized && r.Code != 0x86 {
		t.Errorf("got %v", err)
	}
	c.Password = "right"
	open(t, NewSource(c))
}

func TestMosquitto_TLS(t *testing.T) {
	t.Parallel()
	const n = 5000
	cert := writeCertificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	l.Close()
	b := testenv.Mosquitto(t, testenv.Config("listener "+port+" 127.0.0.1",
		"certfile "+cert+"/cert.pem", "keyfile "+cert+"/key.pem"))
	pem, err := os.ReadFile(cert + "/cert.pem")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	c := Config{URL: "mqtts://" + addr, Filters: filters(t, "data/#")}
	if _, err := NewSource(c).Open(patiently(t), sluice.Lease{}, nil); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Fatalf("unknown certificate: got %v", err)
	}
	c.TLS = &tls.Config{RootCAs: roots}
	s := NewSource(c)
	session := open(t, s)
	publisher, err := NewPublisher(Config{URL: c.URL, TLS: c.TLS})
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	if _, err := publisher.Publish(patiently(t), "data/x", []byte("0"), 1); err != nil {
		t.Fatal(err)
	}
	mustPub(t, b.Addr(), "data/x", numbers(1, n))
	var got []sluice.Delivery
	for len(got) < n {
		ds := receive(t, session, 1)
		ack(t, session, ds)
		got = append(got, ds...)
	}
	checkNumbers(t, got, 0)
	if st := s.Stats(); st.Reads > n/10 {
		t.Errorf("got %d reads for %d messages: TLS records are not gathered", st.Reads, n)
	}
	session.Close()
}

// writeCertificate makes a self-signed certificate for 127.0.0.1 and returns its
// folder.
func writeCertificate(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) {
		data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cert.pem", "CERTIFICATE", cert)
	write("key.pem", "PRIVATE KEY", private)
	return dir
}
