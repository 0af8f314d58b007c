package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc/codes"

	"sluice/api"
	"sluice/internal/testenv"
)

// event is one server-sent event as EventSource gives it.
type event struct {
	kind, id string
	data     map[string]any
	text     string
}

// eventReader reads a stream of events.
type eventReader struct {
	t     testing.TB
	resp  *http.Response
	lines *bufio.Scanner
	last  string // id
}

// follow opens a stream and reads its first event.
func (s *webServer) follow(t testing.TB, query url.Values, header http.Header) *eventReader {
	t.Helper()
	resp := request(t, newBrowser(t, &http.Transport{}), http.MethodGet, s.url+"/v1/events?"+query.Encode(), header)
	f := &eventReader{t: t, resp: resp, lines: bufio.NewScanner(resp.Body)}
	if first := f.next(); first.kind != "open" || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d, %+v, want open", resp.StatusCode, first)
	}
	return f
}

var errEnded = errors.New("the stream has ended")

// read returns the next event; ids without an event are noted.
func (f *eventReader) read() (e event, err error) {
	for f.lines.Scan() {
		name, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch name {
		case "event":
			e.kind = value
		case "id":
			e.id, f.last = value, value
		case "data":
			e.text = value
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				return e, err
			}
		case "":
			if e.kind != "" {
				return e, nil
			}
		}
	}
	return e, errEnded
}

func (f *eventReader) next() event {
	f.t.Helper()
	late := time.AfterFunc(within, func() { _ = f.resp.Body.Close() })
	defer late.Stop()
	e, err := f.read()
	if err != nil {
		f.t.Fatalf("got %v", err)
	}
	return e
}

// want reads the next event, which must be of this kind and have this in its data.
func (f *eventReader) want(kind string, fields ...any) event {
	f.t.Helper()
	e := f.next()
	if e.kind != kind {
		f.t.Fatalf("got %s, %s, want %s", e.kind, e.text, kind)
	}
	for i := 0; i < len(fields); i += 2 {
		if got := fmt.Sprint(e.data[fields[i].(string)]); got != fmt.Sprint(fields[i+1]) {
			f.t.Errorf("%s: got %v = %s, want %v", kind, fields[i], got, fields[i+1])
		}
	}
	return e
}

// put stores readings as a router does: rows and counter in one transaction.
func put(t testing.TB, pool *pgxpool.Pool, facility int32, from, to int) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	for _, sql := range []string{
		`INSERT INTO data.sensor SELECT i, $1, 'dev-' || i % 7, i, 50, 1700000000 + i FROM generate_series($2::int, $3::int) i`,
		`INSERT INTO sluice.entry_counter AS c SELECT $1, max(i) FROM generate_series($2::int, $3::int) i
			ON CONFLICT (facility_id) DO UPDATE SET last_id = excluded.last_id`,
	} {
		if _, err := tx.Exec(t.Context(), sql, facility, from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func setDevice(t testing.TB, pool *pgxpool.Pool, facility int32, device, state string, version int64) {
	t.Helper()
	exec(t, pool, `INSERT INTO data.device (facility_id, device, state, generation, cause, flapping, version) VALUES ($1, $2, $3, 1, '', false, $4)
		ON CONFLICT (facility_id, device) DO UPDATE SET state = excluded.state, version = excluded.version, updated_at = now()`, facility, device, state, version)
}

func TestEvents_ReadingPresenceOutageRoute(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 0, "plant-1", "plant-2")
	put(t, pool, 1, 1, 10)
	setDevice(t, pool, 1, "d1", "up", 1)
	f := s.follow(t, nil, nil)

	put(t, pool, 1, 11, 12)
	f.want("reading", "facility", "plant-1", "entry_id", 11, "device", "dev-4", "temp", 11, "rh", 50)
	f.want("reading", "entry_id", 12)

	exec(t, pool, "UPDATE data.device SET seen_at = now(), updated_at = now(), version = 2") // nothing that a reader must know
	exec(t, pool, `WITH o AS (INSERT INTO data.outage (facility_id, device, down_at, cause, muted, flap) VALUES (1, 'd1', to_timestamp(1700000000), 'lwt', false, ''))
		UPDATE data.device SET state = 'down', down_at = to_timestamp(1700000000), cause = 'lwt', updated_at = now(), version = 3`)
	f.want("presence", "device", "d1", "state", "PRESENCE_STATE_DOWN", "cause", "PRESENCE_CAUSE_LWT", "facility", "plant-1")
	f.want("outage", "device", "d1", "down_at", "2023-11-14T22:13:20Z", "up_at", "<nil>", "end", "OUTAGE_END_UNSPECIFIED")

	exec(t, pool, `WITH o AS (UPDATE data.outage SET up_at = to_timestamp(1700000060), recovery = 'connect')
		UPDATE data.device SET state = 'up', updated_at = now(), version = 4`)
	f.want("presence", "device", "d1", "state", "PRESENCE_STATE_UP")
	f.want("outage", "device", "d1", "up_at", "2023-11-14T22:14:20Z", "end", "OUTAGE_END_CONNECT")

	exec(t, pool, `INSERT INTO sluice.route_status SELECT 2, 'data/sensor', 7, 7, 0, 0, '{}', 0, 0, 0, 0, 3.5, '', NULL`)
	f.want("route", "facility", "plant-2", "route", "data/sensor", "received", 7, "rate", 3.5)
	exec(t, pool, `UPDATE sluice.route_status SET halted = 'disk full', updated_at = now()`)
	f.want("route", "halted", "disk full")
}

// A writer whose transaction takes long writes times that are long gone when it is
// seen: it is not missed.
func TestEvents_LongTransaction(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 0, "plant-1")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `INSERT INTO data.device (facility_id, device, state, generation, cause, flapping, version, updated_at) VALUES (1, 'slow', 'up', 1, '', false, 1, now() - interval '1 hour')`); err != nil {
		t.Fatal(err)
	}
	f := s.follow(t, nil, nil)
	for i := range 20 { // later writers are seen first
		setDevice(t, pool, 1, fmt.Sprint("quick", i), "up", 1)
		f.want("presence", "device", fmt.Sprint("quick", i))
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.want("presence", "device", "slow")
	setDevice(t, pool, 1, "last", "up", 1)
	f.want("presence", "device", "last") // and nothing twice
}

// Another stream goes on where one was cut, without a gap and without a double, by
// header as a browser does and by parameter; also when it was cut inside a chunk.
func TestEvents_LastEventID(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 0, "plant-1", "plant-2")
	put(t, pool, 1, 1, 5)
	f := s.follow(t, url.Values{"types": {"reading"}}, nil)
	id := f.last // of open
	_ = f.resp.Body.Close()
	put(t, pool, 1, 6, 1600)
	put(t, pool, 2, 1, 1600)
	seen := map[string]int{}
	for n := 0; n < 3195; {
		header, query := http.Header{"Last-Event-ID": {id}}, url.Values{"types": {"reading"}}
		if n%2 == 1 {
			header, query = nil, url.Values{"types": {"reading"}, "last_event_id": {id}}
		}
		f := s.follow(t, query, header)
		for range min(777, 3195-n) {
			e := f.want("reading")
			seen[fmt.Sprint(e.data["facility"], e.data["entry_id"])]++
			id = f.last
			n++
		}
		_ = f.resp.Body.Close()
	}
	if len(seen) != 3195 || seen["plant-15"] != 0 || seen["plant-16"] != 1 || seen["plant-21600"] != 1 {
		t.Errorf("got %d different readings, want 3195", len(seen))
	}
	f = s.follow(t, url.Values{"types": {"reading"}, "last_event_id": {id}}, nil)
	put(t, pool, 2, 1601, 1601)
	f.want("reading", "facility", "plant-2", "entry_id", 1601)
}

func TestEvents_Scope(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 0, "plant-1", "plant-2")
	one := s.follow(t, url.Values{"facilities": {"plant-2"}}, nil)
	device := s.follow(t, url.Values{"devices": {"dev-2"}, "types": {"reading,presence"}}, nil)
	outages := s.follow(t, url.Values{"types": {"outage"}}, nil)
	for f := range int32(2) {
		put(t, pool, f+1, 1, 2)
		setDevice(t, pool, f+1, "dev-1", "up", 1)
		setDevice(t, pool, f+1, "dev-2", "up", 1)
		exec(t, pool, "INSERT INTO sluice.route_status SELECT $1::int, 'r', 7, 7, 0, 0, '{}', 0, 0, 0, 0, 3.5, '', NULL", f+1)
	}
	got := map[string]int{}
	for range 5 {
		e := one.next()
		got[fmt.Sprint(e.kind, " ", e.data["facility"])]++
	}
	if got["reading plant-2"] != 2 || got["presence plant-2"] != 2 || got["route plant-2"] != 1 {
		t.Errorf("of a facility: got %v", got)
	}
	clear(got)
	for range 4 {
		e := device.next()
		got[fmt.Sprint(e.kind, " ", e.data["device"])]++
	}
	if got["reading dev-2"] != 2 || got["presence dev-2"] != 2 {
		t.Errorf("of a device: got %v", got)
	}
	exec(t, pool, `WITH o AS (INSERT INTO data.outage (facility_id, device, down_at, cause, muted, flap) VALUES (2, 'dev-1', now(), 'lwt', false, ''))
		UPDATE data.device SET state = 'down', version = 2 WHERE device = 'dev-1' AND facility_id = 2`)
	outages.want("outage", "device", "dev-1", "facility", "plant-2")
}

func TestEvents_BadParameters(t *testing.T) {
	t.Parallel()
	s, _ := newWeb(t, 0, "plant-1")
	for query, want := range map[string]string{
		"types=reading,x": `types: "x" is unknown; use some of reading,presence,outage,route`,
		"last_event_id=x": "resume_token: is none that this server gave",
		"devices=a/b":     "devices[0]: ",
		"kinds=reading":   "kinds: there is no such parameter",
	} {
		status, body := s.get(t, "/v1/events?"+query, nil)
		wantFault(t, query, status, body, http.StatusBadRequest, want)
	}
}

// A stop ends streams of events at once, though they have no end of their own.
func TestEvents_Stopped(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t, testenv.Database(t), 0, "plant-1")
	s := startHTTP(t, pool, api.Config{ShutdownTimeout: time.Hour})
	all, some := s.follow(t, nil, nil), s.follow(t, url.Values{"types": {"route"}}, nil)
	if err := s.stop(); err != nil {
		t.Errorf("ServeOverHTTP: %v", err)
	}
	for _, f := range []*eventReader{all, some} {
		if _, err := f.read(); !errors.Is(err, errEnded) || f.lines.Err() == nil {
			t.Errorf("got %v, %v, want a stream that is cut", err, f.lines.Err())
		}
	}
}

// While the database is away a stream stays open, and then tells what has changed.
func TestEvents_DatabaseRestarted(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	pool := newDatabase(t, db.Database(), 0, "plant-1")
	s := startHTTP(t, pool, api.Config{EventPoll: 20 * time.Millisecond})
	f := s.follow(t, url.Values{"types": {"presence"}}, nil)
	db.Kill()
	db.Start()
	testenv.Eventually(t, within, func() error { return pool.Ping(t.Context()) })
	setDevice(t, pool, 1, "d1", "up", 1)
	f.want("presence", "device", "d1")
}

// A reader that does not read is cut, and costs the others nothing.
func TestEvents_SlowReader_IsCut(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t, testenv.Database(t), 0, "plant-1")
	ended := make(chan api.Call, 1)
	s := startHTTP(t, pool, api.Config{EventPoll: time.Millisecond, Observe: func(c api.Call) { ended <- c }})
	exec(t, pool, "INSERT INTO sluice.route_status SELECT 1, 'r', 7, 7, 0, 0, '{}', 0, 0, 0, 0, 3.5, '', NULL")
	s.follow(t, url.Values{"types": {"reading,route"}}, nil) // and reads no more
	put(t, pool, 1, 1, 100_000)                              // more than fits into the buffers of the kernel
	var end api.Call
	testenv.Eventually(t, 2*within, func() error {
		exec(t, pool, "UPDATE sluice.route_status SET received = received + 1, updated_at = now()")
		select {
		case end = <-ended:
			return nil
		default:
			return errors.New("the stream goes on")
		}
	})
	if end.Code != codes.ResourceExhausted {
		t.Errorf("got %+v, want RESOURCE_EXHAUSTED", end)
	}
}

// A whole site that changes at once is no reason to cut a reader that reads.
func TestEvents_Storm(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 0, "plant-1")
	f := s.follow(t, url.Values{"types": {"presence"}}, nil)
	exec(t, pool, "INSERT INTO data.device (facility_id, device, state, generation, cause, flapping, version) SELECT 1, 'd' || i, 'up', 1, '', false, 1 FROM generate_series(1, 20000) i")
	seen := map[string]bool{}
	for range 20_000 {
		seen[fmt.Sprint(f.want("presence").data["device"])] = true
	}
	if len(seen) != 20_000 {
		t.Errorf("got %d devices, want 20000", len(seen))
	}
}
