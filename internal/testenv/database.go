package testenv

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// sharedCluster returns the cluster of this test process, started at the first
// call. It ends with the process.
var sharedCluster = sync.OnceValues(func() (*Instance, error) {
	space, err := workspace()
	if err != nil {
		return nil, err
	}
	dir, err := space.newDir("shared")
	if err != nil {
		return nil, err
	}
	return launch(context.Background(), postgresKind{}, dir, nil)
})

// Database returns the URL of a fresh, empty database in a PostgreSQL cluster
// that the tests of this process share. The database is dropped, its sessions
// cut, when the test ends. The cluster must not be stopped, killed or paused;
// see Postgres for that.
func Database(t testing.TB) string {
	t.Helper()
	cluster, err := sharedCluster()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return newDatabase(t, cluster)
}

// Database returns the URL of a fresh, empty database in this cluster, which
// must be PostgreSQL. It lives as long as the cluster.
func (s *Server) Database() string {
	s.t.Helper()
	return createDatabase(s.t, s.Instance, randomName())
}

func newDatabase(t testing.TB, cluster *Instance) string {
	t.Helper()
	name := randomName()
	dsn := createDatabase(t, cluster, name)
	t.Cleanup(func() {
		// t.Context is cancelled by now.
		err := execute(context.Background(), cluster.URL(), "DROP DATABASE "+name+" WITH (FORCE)")
		if err != nil {
			t.Errorf("testenv: drop database: %v", err)
		}
	})
	return dsn
}

func createDatabase(t testing.TB, cluster *Instance, name string) string {
	t.Helper()
	if err := execute(t.Context(), cluster.URL(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("testenv: create database: %v", err)
	}
	u, err := url.Parse(cluster.URL())
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

func randomName() string { return "t" + strings.ToLower(rand.Text()) }

// execute runs one statement in a session of its own.
func execute(ctx context.Context, dsn, sql string) error {
	return withConn(ctx, dsn, func(conn *pgconn.PgConn) error {
		return conn.Exec(ctx, sql).Close()
	})
}
