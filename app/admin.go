package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"sluice"
)

// Status is what a router tells an operator.
type Status struct {
	Facility string `json:"facility"`
	Version  string `json:"version"`
	// Leading: this router reads the broker; otherwise it stands by.
	Leading bool `json:"leading"`
	// Checks are the conditions of readiness: "ok" or what is wrong.
	Checks map[string]string    `json:"checks"`
	Queues []sluice.QueueStatus `json:"queues"`
	// Devices counts the known devices by state.
	Devices sluice.PresenceCounts `json:"devices"`
}

// Faults lists what an operator should look at; empty when all is well.
func (s Status) Faults() []string {
	faults := []string{}
	for _, name := range slices.Sorted(maps.Keys(s.Checks)) {
		if result := s.Checks[name]; result != "ok" {
			faults = append(faults, name+": "+result)
		}
	}
	for _, q := range s.Queues {
		if b := q.Balance(); b != 0 {
			faults = append(faults, fmt.Sprintf("the account of %s is off by %d messages", q.Queue, b))
		}
	}
	return faults
}

// ReplayRequest names dead letters to be queued again. Ids come from
// `sluice dead list`.
type ReplayRequest struct {
	IDs []int64 `json:"ids"`
}

// ReplayResult tells how many were queued.
type ReplayResult struct {
	Replayed int `json:"replayed"`
}

// admin is what the socket gives access to.
type admin interface {
	status(context.Context) (Status, error)
	resume(ctx context.Context, route string) error
	replay(context.Context, ReplayRequest) (ReplayResult, error)
	listDevices(ctx context.Context, cursor string) (DevicePage, error)
	forgetDevice(ctx context.Context, name string) error
	muteDevice(ctx context.Context, name string, d time.Duration) (MuteResult, error)
	stopDevice(name string, away time.Duration) error
}

// Errors that are answered with 404.
var (
	errNoRoute  = errors.New("no such route")
	errNoDevice = errors.New("no such device")
)

// adminMux is the JSON API of the admin socket. Whoever may open the socket may
// do everything: its file mode is the access control.
func adminMux(a admin) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s, err := a.status(r.Context())
		reply(w, s, err)
	})
	mux.HandleFunc("POST /resume", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, a.resume(r.Context(), r.URL.Query().Get("route")))
	})
	mux.HandleFunc("POST /replay", func(w http.ResponseWriter, r *http.Request) {
		var req ReplayRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := a.replay(r.Context(), req)
		reply(w, result, err)
	})
	deviceHandlers(mux, a)
	return mux
}

func reply(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, errNoRoute), errors.Is(err, errNoDevice):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		writeJSON(w, http.StatusOK, v)
	}
}

// listenAdmin makes the socket, mode 0600. A socket file that a dead process
// left is replaced; one that answers is an error.
func listenAdmin(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("admin: %w (set `admin` to a path that this user may write)", err)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin: %w (set `admin` to a path that this user may write)", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("admin: %w", err)
	}
	return l, nil
}

// removeStale removes a socket on which nobody listens, and nothing else.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is there and no socket; set `admin` to another path", path)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("another router listens on %s; give each its own `admin` path", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return err
}

// AdminClient talks to the admin socket of a running router.
type AdminClient struct {
	path   string
	client http.Client
}

// NewAdminClient returns a client of the socket at path. Every call dials anew.
func NewAdminClient(path string) *AdminClient {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &AdminClient{path: path, client: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		Timeout:   time.Minute,
	}}
}

// Status asks for the router's status.
func (c *AdminClient) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

// Resume has a route try its waiting batches now.
func (c *AdminClient) Resume(ctx context.Context, route string) error {
	return c.call(ctx, http.MethodPost, "/resume?route="+url.QueryEscape(route), nil, &struct{}{})
}

// Replay queues dead letters again.
func (c *AdminClient) Replay(ctx context.Context, req ReplayRequest) (r ReplayResult, err error) {
	return r, c.call(ctx, http.MethodPost, "/replay", req, &r)
}

func (c *AdminClient) call(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, &body)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("no router answers on %s: %w (is it running, with the same `admin` in its configuration?)", c.path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return errors.New(string(bytes.TrimSpace(text)))
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
