package pythontest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// serveControl lets the tests of a world act on its servers, while their calls are
// under way: POST /sql runs the statement in the body and returns its rows,
// /restart restarts the plain api and /restarts counts that, /streams is how many
// streams both have open, /kill kills PostgreSQL. Answers are JSON.
func serveControl(t testing.TB, w *world) (address string) {
	t.Helper()
	var (
		mu       sync.Mutex // one action at a time
		restarts int
	)
	actions := map[string]func(ctx context.Context, body string) (any, error){
		"/sql": w.sql,
		"/restart": func(ctx context.Context, _ string) (any, error) {
			restarts++
			return nil, w.plain.restart(ctx)
		},
		"/restarts": func(context.Context, string) (any, error) { return restarts, nil },
		"/streams":  w.streams,
		"/kill":     func(context.Context, string) (any, error) { w.database.Kill(); return nil, nil },
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var answer any
		if do := actions[req.URL.Path]; do != nil && err == nil {
			mu.Lock()
			answer, err = do(context.WithoutCancel(req.Context()), string(body))
			mu.Unlock()
		}
		if err != nil {
			t.Errorf("%s %s: %v", req.URL.Path, body, err)
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(rw).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func (w *world) sql(ctx context.Context, statement string) (any, error) {
	rows, err := w.pool.Query(ctx, statement)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
}

func (w *world) streams(ctx context.Context, _ string) (any, error) {
	plain, err := w.plain.streams(ctx)
	if err != nil {
		return nil, err
	}
	tls, err := w.tls.streams(ctx)
	return plain + tls, err
}
