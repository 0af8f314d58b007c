package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/api"
	"sluice/internal/testenv"
)

// exportRow is a row as a program reads an export.
type exportRow struct {
	Facility   string  `json:"facility"`
	FacilityID int32   `json:"facility_id"`
	EntryID    int64   `json:"entry_id"`
	Device     string  `json:"device"`
	Temp       float32 `json:"temp"`
	RH         float32 `json:"rh"`
	Epoch      int64   `json:"epoch"`
}

// storedRows are those of SQL that ends a query on data.sensor s.
func storedRows(t testing.TB, pool *pgxpool.Pool, rest string) []exportRow {
	t.Helper()
	rows, _ := pool.Query(t.Context(), "SELECT f.name, s.facility_id, entry_id, device, temp, rh, epoch FROM data.sensor s JOIN data.facility f USING (facility_id) "+rest)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[exportRow])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func parseLines(t testing.TB, body io.Reader) (rows []exportRow) {
	t.Helper()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		var row exportRow
		if err := d.Decode(&row); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func parseCSV(t testing.TB, body io.Reader) (rows []exportRow) {
	t.Helper()
	records, err := csv.NewReader(body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(records[0], ","); got != "facility,facility_id,entry_id,device,temp,rh,epoch" {
		t.Errorf("got the head %s", got)
	}
	for _, r := range records[1:] {
		rows = append(rows, exportRow{
			r[0], int32(must(strconv.ParseInt(r[1], 10, 32))), must(strconv.ParseInt(r[2], 10, 64)), r[3],
			float32(must(strconv.ParseFloat(r[4], 32))), float32(must(strconv.ParseFloat(r[5], 32))), must(strconv.ParseInt(r[6], 10, 64)),
		})
	}
	return rows
}

// What an export has is what is stored, to the last bit, in each format.
func TestExport_IsWhatIsStored(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 4500, "plant-1", "plant-2")
	// Values that a text could lose, and names that it could break on.
	exec(t, pool, `INSERT INTO data.sensor VALUES
		(4501, 1, 'x', $1, $2, 1), (4502, 1, 'y', $3, -0.1, 253402300799), (4503, 1, 'a "b", c', 16777216, 0.3, 3),
		(4504, 1, E'new\nline', 1e10, 1e-7, 4)`, float32(math.MaxFloat32), float32(math.SmallestNonzeroFloat32), float32(1)/3)
	for query, rest := range map[string]string{
		"":                             "ORDER BY facility_id, entry_id",
		"?facilities=plant-2":          "WHERE f.name = 'plant-2' ORDER BY entry_id",
		"?devices=dev-1&devices=dev-2": "WHERE device IN ('dev-1', 'dev-2') ORDER BY facility_id, entry_id",
		"?order=device_time":           `ORDER BY facility_id, device, epoch`,
		"?limit=1001&order=entry":      "ORDER BY facility_id, entry_id LIMIT 1001",
		"?devices=none":                "WHERE false",
		"?from_epoch=1700000100&to_epoch=1700000200&facilities=plant-1&facilities=plant-2": "WHERE epoch >= 1700000100 AND epoch < 1700000200 ORDER BY facility_id, entry_id",
	} {
		want := storedRows(t, pool, rest)
		for form, parse := range map[string]func(testing.TB, io.Reader) []exportRow{"ndjson": parseLines, "csv": parseCSV} {
			accepts := []string{""}
			if query == "" {
				accepts = []string{"gzip;q=0, br", "gzip"}
			}
			for _, accept := range accepts {
				url := s.url + "/v1/sensor" + query
				header := http.Header{"Accept-Encoding": {accept}, "Accept": {map[string]string{"ndjson": "application/x-ndjson", "csv": "text/csv;q=0.9, */*"}[form]}}
				resp := request(t, newBrowser(t, &http.Transport{DisableCompression: true}), http.MethodGet, url, header)
				body := io.Reader(resp.Body)
				if zipped := resp.Header.Get("Content-Encoding") == "gzip"; zipped != (accept == "gzip") {
					t.Errorf("Accept-Encoding %s: got %s", accept, resp.Header.Get("Content-Encoding"))
				} else if zipped {
					body = must(gzip.NewReader(resp.Body))
				}
				if diff := cmp.Diff(want, parse(t, body), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s, %s (-stored +got):\n%.2000s", query, form, diff)
				}
				_, _ = io.Copy(io.Discard, resp.Body) // the trailer is behind the end
				if got := resp.Trailer.Get(api.HeaderRows); got != strconv.Itoa(len(want)) {
					t.Errorf("%s, %s: trailer %q, want %d", query, form, got, len(want))
				}
				if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="readings.`+form+`"` {
					t.Errorf("got Content-Disposition %s", got)
				}
			}
		}
	}
}

func TestExport_BadParameters(t *testing.T) {
	t.Parallel()
	s, _ := newWeb(t, 1, "plant-1")
	for query, want := range map[string]string{
		"device=a":                        "device: there is no such parameter; use facilities, devices,",
		"limit=ten":                       `limit: "ten" is not a whole number`,
		"limit=-1":                        "limit: -1 is not allowed; use 0 or more",
		"limit=1&limit=2":                 "limit: is given 2 times; give it once",
		"from_epoch=99999999999999999999": "from_epoch: ",
		"from_epoch=5&to_epoch=5":         "to_epoch: 5 is not after from_epoch 5",
		"order=time":                      `order: "time" is unknown; use entry or device_time`,
		"format=xml":                      `format: "xml" is unknown; use`,
		"facilities=":                     "facilities[0]: ",
		"devices=a/b":                     "devices[0]: ",
		"limit=%zz":                       "query: cannot be read",
	} {
		status, body := s.get(t, "/v1/sensor?"+query, nil)
		wantFault(t, query, status, body, http.StatusBadRequest, want)
	}
	status, body := s.get(t, "/v1/sensor?facilities=plant-9", nil)
	wantFault(t, "no such facility", status, body, http.StatusNotFound, "plant-9")
}

// An export that lost its database is no file that looks whole: with each version
// of HTTP, compressed or not, the client gets an error.
func TestExport_DatabaseKilledInTheMiddle_IsAnErrorOfTheClient(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	pool := newDatabase(t, db.Database(), 300_000, "plant-1")
	s := startHTTP(t, pool, api.Config{})
	two := &http.Protocols{}
	two.SetUnencryptedHTTP2(true)
	var open []*http.Response
	for _, transport := range []*http.Transport{{}, {Protocols: two}} {
		for _, form := range []string{"csv", "ndjson"} {
			transport.DisableCompression = true
			resp := request(t, newBrowser(t, transport), http.MethodGet, s.url+"/v1/sensor?format="+form, nil)
			if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			open = append(open, resp)
		}
	}
	db.Kill() // all wait for their reader
	for _, resp := range open {
		n, err := io.Copy(io.Discard, resp.Body)
		if err == nil || resp.Trailer.Get(api.HeaderRows) != "" {
			t.Errorf("%s: got %d bytes, trailer %q and no error", resp.Proto, n, resp.Trailer.Get(api.HeaderRows))
		}
	}
	status, body := s.get(t, "/v1/sensor", nil)
	wantFault(t, "before the first byte", status, body, http.StatusServiceUnavailable, "database")
}

// A stop lets exports that are read end whole; those that are not read are cut.
func TestExport_Stopped(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t, testenv.Database(t), 200_000, "plant-1")
	for name, tt := range map[string]struct {
		timeout time.Duration
		whole   bool
	}{"whole": {within, true}, "cut": {50 * time.Millisecond, false}} {
		s := startHTTP(t, pool, api.Config{ShutdownTimeout: tt.timeout})
		resp := request(t, newBrowser(t, &http.Transport{}), http.MethodGet, s.url+"/v1/sensor", nil)
		stopped := make(chan error, 1)
		if tt.whole {
			go func() { stopped <- s.stop() }()
		} else {
			stopped <- s.stop() // before anything is read
		}
		rows := 0
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			rows++
		}
		if whole := lines.Err() == nil && rows == 200_000 && resp.Trailer.Get(api.HeaderRows) == "200000"; whole != tt.whole {
			t.Errorf("%s: got %d rows, %v", name, rows, lines.Err())
		}
		if err := <-stopped; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantNoneAcquired(t, pool)
	}
}

// Exports count as streams: in the limit of their reader and for the observer.
func TestExport_CountsAsAStream(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t, testenv.Database(t), 200_000, "plant-1")
	calls := make(chan api.Call, 10)
	s := startHTTP(t, pool, api.Config{MaxStreams: 1, Observe: func(c api.Call) { calls <- c }})
	resp := request(t, newBrowser(t, &http.Transport{}), http.MethodGet, s.url+"/v1/sensor", nil)
	status, body := s.get(t, "/v1/sensor?limit=1", nil)
	wantFault(t, "a second one", status, body, http.StatusTooManyRequests, "1 streams open")
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.get(t, "/v1/sensor?limit=1", nil); status != http.StatusOK {
		t.Errorf("afterwards: got %d", status)
	}
	var got []string
	for range 3 {
		c := <-calls
		got = append(got, fmt.Sprint(c.Method, " ", c.Code, " ", c.Rows))
	}
	want := []string{"GET /v1/sensor ResourceExhausted 0", "GET /v1/sensor OK 200000", "GET /v1/sensor OK 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// BenchmarkExport reports the time and the CPU of this process, which is both api
// and client, in us per row.
func BenchmarkExport(b *testing.B) {
	const stored = 500_000
	pool := newDatabase(b, testenv.Database(b), stored, "plant-1")
	exec(b, pool, "UPDATE data.sensor SET temp = 20 + entry_id % 100 / 7.0, rh = 40 + entry_id % 50 / 3.0")
	exec(b, pool, "VACUUM ANALYZE data.sensor")
	s := startHTTP(b, pool, api.Config{})
	for _, form := range []string{"ndjson", "csv", "ndjson gzip"} {
		b.Run(form, func(b *testing.B) {
			own, began := cpu(b), time.Now()
			client := newBrowser(b, &http.Transport{DisableCompression: true})
			name, coding, _ := strings.Cut(form, " ")
			for b.Loop() {
				resp := request(b, client, http.MethodGet, s.url+"/v1/sensor?format="+name, http.Header{"Accept-Encoding": {coding}})
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Trailer.Get(api.HeaderRows) != strconv.Itoa(stored) {
					b.Fatalf("got %v, %v", resp.Trailer, err)
				}
			}
			rows := float64(b.N * stored)
			b.ReportMetric(float64(time.Since(began).Nanoseconds())/1e3/rows, "wall-us/row")
			b.ReportMetric(float64((cpu(b)-own).Nanoseconds())/1e3/rows, "process-us/row")
		})
	}
}
