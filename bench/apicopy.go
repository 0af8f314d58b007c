package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// copier reads the table by COPY, for comparison: with psql where that is possible,
// else with a session of this process.
type copier struct {
	config *pgconn.Config
	psql   string // path; "" means none
}

// newCopier reads the connection string. With TLS it does not use psql, whose
// settings for it would have to be made up.
func newCopier(dsn string) (*copier, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	for _, poolOnly := range []string{"pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_health_check_period"} {
		delete(config.RuntimeParams, poolOnly)
	}
	c := &copier{config: config}
	if config.TLSConfig == nil {
		c.psql, _ = exec.LookPath("psql")
	}
	return c, nil
}

// name says who reads.
func (c *copier) name() string {
	if c.psql == "" {
		return "COPY (pgx; no psql)"
	}
	return "COPY (psql)"
}

// copySQL selects what the API gives.
func copySQL(from, to int64) string {
	const columns = "entry_id, facility_id, device, temp, rh, epoch"
	if from == 0 && to == 0 {
		return "COPY data.sensor (" + columns + ") TO STDOUT"
	}
	where := fmt.Sprintf("epoch >= %d", from)
	if to > 0 {
		where += fmt.Sprintf(" AND epoch < %d", to)
	}
	return "COPY (SELECT " + columns + " FROM data.sensor WHERE " + where + ") TO STDOUT"
}

// run executes sql. The CPU is that of psql.
func (c *copier) run(ctx context.Context, sql string, seen func(rows int64) error) (reading, error) {
	lines := &lineCounter{seen: seen}
	if c.psql == "" {
		err := c.session(ctx, sql, lines)
		return reading{rows: lines.n}, err
	}
	cmd := exec.CommandContext(ctx, c.psql, "-X", "-q", "-c", sql)
	cmd.Env = append(os.Environ(), c.environment()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = lines, &stderr
	if err := cmd.Run(); err != nil {
		return reading{}, fmt.Errorf("psql: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return reading{rows: lines.n, client: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// environment has what psql needs to connect; its command line anybody may read.
func (c *copier) environment() []string {
	return []string{
		"PGHOST=" + c.config.Host, "PGPORT=" + strconv.Itoa(int(c.config.Port)), "PGDATABASE=" + c.config.Database,
		"PGUSER=" + c.config.User, "PGPASSWORD=" + c.config.Password, "PGAPPNAME=sluice-bench",
	}
}

func (c *copier) session(ctx context.Context, sql string, lines *lineCounter) error {
	conn, err := pgconn.ConnectConfig(ctx, c.config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.CopyTo(ctx, lines, sql)
	return err
}

// lineCounter counts lines, which are rows in COPY's text format.
type lineCounter struct {
	n    int64
	seen func(rows int64) error
}

// Write implements io.Writer.
func (l *lineCounter) Write(p []byte) (int, error) {
	n := int64(bytes.Count(p, []byte{'\n'}))
	l.n += n
	return len(p), l.seen(n)
}
