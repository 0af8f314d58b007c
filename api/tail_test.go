package api_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sluice/api"
	"sluice/gen/sluicev1"
	"sluice/internal/process"
	"sluice/internal/testenv"
)

type tailStream = grpc.ServerStreamingClient[sluicev1.TailSensorRowsResponse]

// entry is the number of a row.
type entry struct {
	facility int32
	id       int64
}

// newTailed is newDatabase with the counters where the rows are.
func newTailed(t testing.TB, url string, n int, facilities ...string) *pgxpool.Pool {
	t.Helper()
	pool := newDatabase(t, url, n, facilities...)
	exec(t, pool, "UPDATE sluice.entry_counter SET last_id = $1", n)
	return pool
}

// store adds n readings of a device as a sink does: with the counter, in one
// transaction.
func store(t testing.TB, pool *pgxpool.Pool, facility int32, device string, n int) {
	t.Helper()
	exec(t, pool, `WITH c AS (UPDATE sluice.entry_counter SET last_id = last_id + $2 WHERE facility_id = $1 RETURNING last_id - $2 AS base)
		INSERT INTO data.sensor SELECT base + i, $1, $3, base + i, 50, base + i FROM c, generate_series(1, $2::int) i`, facility, n, device)
}

// tail opens a tail and takes its first message, which has only a token.
func tail(t testing.TB, c sluicev1.SluiceServiceClient, req *sluicev1.TailSensorRowsRequest) (stream tailStream, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), process.Patience)
	t.Cleanup(cancel)
	stream, err := c.TailSensorRows(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if first.Chunk != nil || first.ResumeToken == "" {
		t.Fatalf("got %v first, want only a token", first)
	}
	return stream, first.ResumeToken
}

// refusal is the error of a tail that must not go on.
func refusal(t testing.TB, c sluicev1.SluiceServiceClient, req *sluicev1.TailSensorRowsRequest) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := openAndDrain(c.TailSensorRows(ctx, req))
	return err
}

// take reads n rows and the token behind them.
func take(t testing.TB, stream tailStream, n int) (rows []entry, token string) {
	t.Helper()
	for len(rows) < n {
		m, err := stream.Recv()
		if err != nil {
			t.Fatalf("after %d rows: %v", len(rows), err)
		}
		if m.Chunk != nil && (len(m.Chunk.EntryId) > 1000 || m.Chunk.Facility != fmt.Sprintf("plant-%d", m.Chunk.FacilityId)) {
			t.Fatalf("got a chunk of %d rows of %q, %d", len(m.Chunk.EntryId), m.Chunk.Facility, m.Chunk.FacilityId)
		}
		rows, token = appendEntries(rows, m.Chunk), m.ResumeToken
	}
	return rows, token
}

func appendEntries(rows []entry, c *sluicev1.SensorChunk) []entry {
	for _, id := range c.GetEntryId() {
		rows = append(rows, entry{c.FacilityId, id})
	}
	return rows
}

// span are the entries from first to last.
func span(facility int32, first, last int64) (rows []entry) {
	for id := first; id <= last; id++ {
		rows = append(rows, entry{facility, id})
	}
	return rows
}

func wantEntries(t testing.TB, what string, got, want []entry) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d rows, %.60s..., want %d, %.60s...", what, len(got), fmt.Sprint(got), len(want), fmt.Sprint(want))
	}
}

func TestTailSensorRows_HistoryThenLive(t *testing.T) {
	t.Parallel()
	pool := newTailed(t, testenv.Database(t), 5500, "plant-1", "plant-2")
	c := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{}).dial(t))
	stream, begin := tail(t, c, &sluicev1.TailSensorRowsRequest{})
	history := slices.Concat(span(1, 1, 5500), span(2, 1, 5500))
	got, token := take(t, stream, len(history))
	wantEntries(t, "history", got, history)
	for i := range int64(3) { // a row at a time, then more than a page
		store(t, pool, 2, "late", 1)
		got, token = take(t, stream, 1)
		wantEntries(t, "live", got, span(2, 5501+i, 5501+i))
	}
	store(t, pool, 1, "many", 4500)
	got, _ = take(t, stream, 4500)
	wantEntries(t, "more than a page", got, span(1, 5501, 10_000))

	again, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{ResumeToken: token})
	got, _ = take(t, again, 4500)
	wantEntries(t, "resumed", got, span(1, 5501, 10_000))
	again, _ = tail(t, c, &sluicev1.TailSensorRowsRequest{ResumeToken: begin, LiveOnly: true, Facilities: []string{"plant-1", "plant-2"}})
	got, _ = take(t, again, 15_503)
	wantEntries(t, "from the first token", got, slices.Concat(span(1, 1, 10_000), span(2, 1, 5503)))
}

// A token from the middle of a facility, between two chunks of one page, goes on
// there.
func TestTailSensorRows_ResumeBetweenChunks(t *testing.T) {
	t.Parallel()
	pool := newTailed(t, testenv.Database(t), 2500, "plant-1", "plant-2")
	c := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{}).dial(t))
	want := slices.Concat(span(1, 1, 2500), span(2, 1, 2500))
	var got []entry
	var token string
	for calls := 0; len(got) < len(want) && calls < len(want); calls++ {
		stream, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{ResumeToken: token})
		var rows []entry
		rows, token = take(t, stream, 1) // a chunk a call
		got = append(got, rows...)
	}
	wantEntries(t, "a chunk a call", got, want)
}

func TestTailSensorRows_LiveOnly(t *testing.T) {
	t.Parallel()
	pool := newTailed(t, testenv.Database(t), 100, "plant-1", "plant-2")
	c := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{}).dial(t))
	stream, token := tail(t, c, &sluicev1.TailSensorRowsRequest{LiveOnly: true, Facilities: []string{"plant-2"}})
	store(t, pool, 1, "other", 5)
	store(t, pool, 2, "new", 5)
	got, _ := take(t, stream, 5)
	wantEntries(t, "live", got, span(2, 101, 105))
	stream, _ = tail(t, c, &sluicev1.TailSensorRowsRequest{ResumeToken: token, Facilities: []string{"plant-2"}})
	got, _ = take(t, stream, 5)
	wantEntries(t, "from its first token", got, span(2, 101, 105))
}

// Rows of other devices move the token, so that a client that comes back does not
// begin far behind.
func TestTailSensorRows_OfDevices(t *testing.T) {
	t.Parallel()
	pool := newTailed(t, testenv.Database(t), 70, "plant-1")
	c := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{Mark: time.Millisecond}).dial(t))
	req := &sluicev1.TailSensorRowsRequest{Devices: []string{"dev-1", "dev-2"}}
	stream, _ := tail(t, c, req)
	got, _ := take(t, stream, 20)
	want := slices.DeleteFunc(span(1, 1, 70), func(e entry) bool { return e.id%7 != 1 && e.id%7 != 2 })
	wantEntries(t, "history", got, want)
	before := awaitMark(t, stream) // of row 70

	store(t, pool, 1, "other", 30)
	req.ResumeToken = awaitMark(t, stream)
	if req.ResumeToken == before {
		t.Error("the token has not moved")
	}
	store(t, pool, 1, "dev-1", 1)
	got, _ = take(t, stream, 1)
	wantEntries(t, "live", got, span(1, 101, 101))
	stream, _ = tail(t, c, req)
	exec(t, pool, "DELETE FROM data.sensor WHERE entry_id < 101") // whoever looked before the token would miss them
	got, _ = take(t, stream, 1)
	wantEntries(t, "resumed", got, span(1, 101, 101))
}

// awaitMark takes a message that has only a token.
func awaitMark(t testing.TB, stream tailStream) string {
	t.Helper()
	m, err := stream.Recv()
	if err != nil || m.Chunk != nil {
		t.Fatalf("got %v, %v, want only a token", m, err)
	}
	return m.ResumeToken
}

// A facility that is registered later belongs to the next call, from its first row.
func TestTailSensorRows_NewFacility(t *testing.T) {
	t.Parallel()
	url := testenv.Database(t)
	pool := newTailed(t, url, 3, "plant-1")
	c := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{}).dial(t))
	stream, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{})
	_, token := take(t, stream, 3)
	newDatabase(t, url, 0, "plant-2")
	store(t, pool, 2, "d", 2)
	store(t, pool, 1, "d", 1)
	got, _ := take(t, stream, 1)
	wantEntries(t, "the call that goes on", got, span(1, 4, 4))
	stream, _ = tail(t, c, &sluicev1.TailSensorRowsRequest{ResumeToken: token})
	got, _ = take(t, stream, 3)
	wantEntries(t, "the next", got, slices.Concat(span(1, 4, 4), span(2, 1, 2)))
}

func TestTailSensorRows_BadArguments(t *testing.T) {
	t.Parallel()
	c, _, pool := newClient(t, 0, "plant-1", "plant-2")
	store(t, pool, 1, "d", 10)
	stream, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{})
	_, token := take(t, stream, 10)
	raw := must(base64.RawURLEncoding.DecodeString(token))
	raw[3] ^= 1
	shorter, _, _ := newClient(t, 0, "plant-1", "plant-2")
	for name, tt := range map[string]struct {
		c     sluicev1.SluiceServiceClient
		req   *sluicev1.TailSensorRowsRequest
		field string
	}{
		"no base64":        {c, &sluicev1.TailSensorRowsRequest{ResumeToken: "x!"}, "resume_token"},
		"anything":         {c, &sluicev1.TailSensorRowsRequest{ResumeToken: rand.Text()}, "resume_token"},
		"cut":              {c, &sluicev1.TailSensorRowsRequest{ResumeToken: token[:len(token)-2]}, "resume_token"},
		"changed":          {c, &sluicev1.TailSensorRowsRequest{ResumeToken: base64.RawURLEncoding.EncodeToString(raw)}, "resume_token"},
		"other facilities": {c, &sluicev1.TailSensorRowsRequest{ResumeToken: token, Facilities: []string{"plant-1"}}, "resume_token"},
		"other database":   {shorter, &sluicev1.TailSensorRowsRequest{ResumeToken: token}, "resume_token"},
		"device":           {c, &sluicev1.TailSensorRowsRequest{Devices: []string{"a/b"}}, "devices[0]"},
		"devices":          {c, &sluicev1.TailSensorRowsRequest{Devices: make([]string, 10_001)}, "devices"},
		"facility":         {c, &sluicev1.TailSensorRowsRequest{Facilities: []string{"+"}}, "facilities[0]"},
	} {
		wantArgument(t, name, refusal(t, tt.c, tt.req), tt.field)
	}
}

// A counter that goes back is another database: to go on there would leave rows
// out.
func TestTailSensorRows_CounterGoesBack_IsAnError(t *testing.T) {
	t.Parallel()
	c, _, pool := newClient(t, 0, "plant-1")
	store(t, pool, 1, "d", 10)
	stream, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{})
	take(t, stream, 10)
	exec(t, pool, "UPDATE sluice.entry_counter SET last_id = 5")
	_, err := drain(stream)
	wantArgument(t, "counter", err, "resume_token")
	if text := status.Convert(err).Message(); !strings.Contains(text, "entry 10 of plant-1, which has 5") {
		t.Errorf("got %q", text)
	}
}

func TestTailSensorRows_DatabaseKilled_IsUnavailableAndResumes(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	pool := newTailed(t, db.Database(), 10, "plant-1")
	c := sluicev1.NewSluiceServiceClient(start(t, pool, api.Config{}).dial(t))
	stream, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{})
	_, token := take(t, stream, 10)
	db.Kill()
	_, err := drain(stream)
	wantCode(t, "tail", err, codes.Unavailable)
	wantTrailer(t, stream, "")

	db.Start()
	testenv.Eventually(t, within, func() error { return pool.Ping(t.Context()) })
	stream, _ = tail(t, c, &sluicev1.TailSensorRowsRequest{ResumeToken: token})
	store(t, pool, 1, "d", 3)
	got, _ := take(t, stream, 3)
	wantEntries(t, "resumed", got, span(1, 11, 13))
}

// Tails end at once with the server, in history too, however long others may take.
func TestTailSensorRows_ServerEnds(t *testing.T) {
	t.Parallel()
	pool := newTailed(t, testenv.Database(t), 3000, "plant-1")
	s := start(t, pool, api.Config{ShutdownTimeout: time.Hour})
	c := sluicev1.NewSluiceServiceClient(s.dial(t))
	idle, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{LiveOnly: true})
	reading, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{})
	done := make(chan error, 1)
	go func() { done <- s.stop() }()
	for _, stream := range []tailStream{idle, reading} {
		_, err := drain(stream)
		wantCode(t, "tail", err, codes.Unavailable)
		if text := status.Convert(err).Message(); text != "the server ends; go on with the resume_token" {
			t.Errorf("got %q", text)
		}
		wantTrailer(t, stream, "")
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(within):
		t.Error("the server waits for its tails")
	}
}

// Tails that nobody reads hold no connection, and those that wait need one for all.
func TestTailSensorRows_DisturbNobody(t *testing.T) {
	t.Parallel()
	url := testenv.Database(t)
	newTailed(t, url, 20_000, "plant-1")
	pool := newDatabase(t, url+"&pool_max_conns=1", 0)
	s := start(t, pool, api.Config{})
	stalled := sluicev1.NewSluiceServiceClient(s.dial(t))
	var streams []tailStream
	for range 10 {
		stream, _ := tail(t, stalled, &sluicev1.TailSensorRowsRequest{})
		streams = append(streams, stream)
	}
	c := sluicev1.NewSluiceServiceClient(s.dial(t))
	for range 10 {
		stream, _ := tail(t, c, &sluicev1.TailSensorRowsRequest{LiveOnly: true})
		streams = append(streams, stream)
	}
	store(t, pool, 1, "d", 1)
	for _, stream := range streams[10:] {
		got, _ := take(t, stream, 1)
		wantEntries(t, "live", got, span(1, 20_001, 20_001))
	}
	for _, stream := range streams[:10] {
		got, _ := take(t, stream, 20_001)
		wantEntries(t, "stalled", got, span(1, 1, 20_001))
	}
}

// A token is no way into another facility.
func TestTailSensorRows_TokenOfAnotherClient(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	soon := time.Now().Add(time.Hour)
	client := func(name string) sluicev1.SluiceServiceClient {
		return sluicev1.NewSluiceServiceClient(s.as(t, s.ca, soon, "sluice://client/"+name))
	}
	_, token := tail(t, client("boss"), &sluicev1.TailSensorRowsRequest{Facilities: []string{"plant-1", "plant-2"}})
	err := refusal(t, client("analyst"), &sluicev1.TailSensorRowsRequest{ResumeToken: token})
	wantArgument(t, "token of boss", err, "resume_token")
	err = refusal(t, client("analyst"), &sluicev1.TailSensorRowsRequest{Facilities: []string{"plant-2"}})
	wantCode(t, "facility of boss", err, codes.PermissionDenied)
}
