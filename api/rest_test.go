package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"sluice/gen/service"
	"sluice/gen/sluicev1"
)

// The lists are there in JSON, with the names of the contract and every field; the
// parameters are the fields of the requests.
func TestREST_Lists(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 30, "plant-1", "plant-2")
	for _, sql := range []string{
		`INSERT INTO data.device (facility_id, device, state, generation, cause, flapping, version) SELECT f, 'd' || i, CASE i WHEN 1 THEN 'down' ELSE 'up' END, 0, '', false, 1`,
		`INSERT INTO data.outage (facility_id, device, down_at, cause, muted, flap) SELECT f, 'd' || i, to_timestamp(1700000000 + i), 'lwt', false, ''`,
		`INSERT INTO sluice.route_status SELECT f, 'r' || i, 1, 1, 0, 0, '{}', 0, 0, 0, 0, 0, '', NULL`,
		`INSERT INTO sluice.dead_letter (facility_id, route, device, topic, payload, received, reason, code, detail, at) SELECT f, 'r', 'd' || i, 't', 'x', now(), 'decode', '', '', now()`,
	} {
		exec(t, pool, sql+" FROM generate_series(1, 2) f, generate_series(1, 3) i")
	}
	for url, tt := range map[string]struct {
		list string
		want int
	}{
		"/v1/devices": {"devices", 6},
		"/v1/devices?facilities=plant-1&state=PRESENCE_STATE_DOWN":                {"devices", 1},
		"/v1/devices?facilities=plant-1&facilities=plant-2":                       {"devices", 6},
		"/v1/outages?device=d2":                                                   {"outages", 2},
		"/v1/outages?open=true&from=2023-11-14T22:13:22Z":                         {"outages", 4},
		"/v1/routes?facilities=plant-2":                                           {"routes", 3},
		"/v1/dead-letters?device=d1&reason=decode":                                {"dead_letters", 2},
		"/v1/dead-letters?page_size=4":                                            {"dead_letters", 4},
		"/v1/sensor/aggregate?devices=dev-1&devices=dev-2":                        {"buckets", 4},
		"/v1/sensor/aggregate?bucket_seconds=10&facilities=plant-1&devices=dev-3": {"buckets", 3},
	} {
		status, body := s.get(t, url, nil)
		var got map[string]json.RawMessage
		var list []map[string]any
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
			t.Errorf("%s: got %d, %s", url, status, body)
			continue
		}
		if err := json.Unmarshal(got[tt.list], &list); err != nil || len(list) != tt.want {
			t.Errorf("%s: got %d, want %d: %s", url, len(list), tt.want, body)
		}
		if _, ok := got["next_page_token"]; !ok {
			t.Errorf("%s: an empty field is left out: %s", url, body)
		}
	}
	_, body := s.get(t, "/v1/devices?facilities=plant-1&page_size=1", nil)
	for _, want := range []string{`"facility":"plant-1"`, `"state":"PRESENCE_STATE_DOWN"`, `"muted_until":null`, `"flapping":false`, `"generation":"0"`} {
		if !strings.Contains(strings.ReplaceAll(body, " ", ""), want) {
			t.Errorf("got %s, want %s", body, want)
		}
	}
}

func TestREST_PageByPage(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 1, "plant-1")
	exec(t, pool, `INSERT INTO sluice.route_status SELECT 1, 'r' || i, 1, 1, 0, 0, '{}', 0, 0, 0, 0, 0, '', NULL FROM generate_series(1, 25) i`)
	n, calls := pages(t, func(token string) (int, string, error) {
		_, body := s.get(t, "/v1/routes?page_size=10&page_token="+token, nil)
		var page struct {
			Routes []any
			Next   string `json:"next_page_token"`
		}
		err := json.Unmarshal([]byte(body), &page)
		return len(page.Routes), page.Next, err
	})
	if n != 25 || calls != 3 {
		t.Errorf("got %d in %d pages, want 25 in 3", n, calls)
	}
}

func TestREST_Faults(t *testing.T) {
	t.Parallel()
	s, pool := newWeb(t, 1, "plant-1")
	for url, tt := range map[string]struct {
		status int
		want   string
	}{
		"/v1/devices?state=SLEEPING":          {http.StatusBadRequest, "SLEEPING"},
		"/v1/devices?nothing=1":               {http.StatusBadRequest, "nothing: there is no such parameter; use facilities, state,"},
		"/v1/devices?page_size=1&page_size=2": {http.StatusBadRequest, "page_size: is given 2 times"},
		"/v1/devices?page_size=many":          {http.StatusBadRequest, "page_size"},
		"/v1/devices?page_size=-1":            {http.StatusBadRequest, "page_size: -1 is not allowed"},
		"/v1/devices?page_token=x!":           {http.StatusBadRequest, "page_token: "},
		"/v1/outages?from=yesterday":          {http.StatusBadRequest, "from"},
		"/v1/devices?facilities=plant-9":      {http.StatusNotFound, "plant-9"},
		"/v1/sensor/aggregate?to_epoch=-1":    {http.StatusBadRequest, "to_epoch: -1"},
	} {
		status, body := s.get(t, url, nil)
		wantFault(t, url, status, body, tt.status, tt.want)
	}
	exec(t, pool, "ALTER TABLE data.device RENAME COLUMN cause TO secret")
	status, body := s.get(t, "/v1/devices", nil)
	if wantFault(t, "internal", status, body, http.StatusInternalServerError, "internal error"); strings.Contains(body, "cause") {
		t.Errorf("got %s, which tells of the inside", body)
	}
}

// The same services are there for browsers' libraries, and for gRPC over HTTP/2.
func TestREST_OtherProtocols(t *testing.T) {
	t.Parallel()
	s, _ := newWeb(t, 5, "plant-1")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/sluice.v1.SluiceService/AggregateSensor", strings.NewReader(`{"devices": ["dev-1"]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Connect-Protocol-Version": {"1"}}
	resp, err := newBrowser(t, &http.Transport{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "dev-1") {
		t.Errorf("Connect: got %d, %s", resp.StatusCode, body)
	}
	plain := dial(t, s.addr, insecure.NewCredentials())
	stream := query(t, sluicev1.NewSluiceServiceClient(plain), &sluicev1.QuerySensorRowsRequest{})
	chunks, err := drain[sluicev1.QuerySensorRowsResponse](stream)
	if err != nil || count(chunks) != 5 {
		t.Errorf("gRPC: got %d rows, %v", count(chunks), err)
	}
	wantTrailer(t, stream, "5")
	rows, err := openAndDrain[service.SensorRows](service.NewQueryClient(plain).GetSensorRows(t.Context(), &emptypb.Empty{}))
	if err != nil || len(rows) != 5 {
		t.Errorf("gRPC, the first clients' method: got %d rows, %v", len(rows), err)
	}
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("evil.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := sluicev1.NewSluiceServiceClient(conn).ListDevices(t.Context(), &sluicev1.ListDevicesRequest{}); err == nil {
		t.Errorf("another authority: got %v", codes.OK)
	}
}
