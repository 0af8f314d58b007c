package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	pragmas = `PRAGMA page_size=%d; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY`

	queueSchema = `
CREATE TABLE frame (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE state (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c BLOB);
INSERT INTO state (id) VALUES (1), (2), (3), (4), (5);`

	sensorSchema = `
CREATE TABLE sensor (facility_id INTEGER NOT NULL, entry_id INTEGER NOT NULL, device TEXT NOT NULL,
	temp REAL NOT NULL, rh REAL NOT NULL, epoch INTEGER NOT NULL,
	PRIMARY KEY (facility_id, entry_id)) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX sensor_epoch ON sensor (epoch, device);`

	insertRow = `INSERT INTO sensor VALUES (?,?,?,?,?,?)`
	readQuery = `SELECT entry_id, device, temp, rh, epoch FROM sensor WHERE facility_id = 1 AND entry_id > 0 ORDER BY entry_id`
	readRows  = 1_000_000
	multiRows = 100
	batchRows = 5000
	groupData = 20 << 10
)

func multiInsert() string {
	return `INSERT INTO sensor VALUES ` + strings.Repeat(`(?,?,?,?,?,?),`, multiRows-1) + `(?,?,?,?,?,?)`
}

// source makes the readings of a fleet: each device one a second, all in order of
// time.
type source struct {
	devices []string
	n       int64
}

func newSource(devices int) *source {
	s := &source{}
	for i := range devices {
		s.devices = append(s.devices, fmt.Sprintf("device-%05d", i))
	}
	return s
}

type row struct {
	entry    int64
	device   string
	temp, rh float64
	epoch    int64
}

func (s *source) batch(dst []row, n int) []row {
	dst = dst[:0]
	for range n {
		d := s.n % int64(len(s.devices))
		dst = append(dst, row{s.n + 1, s.devices[d], 20 + float64(s.n%100)/8, 50, 1_700_000_000 + s.n/int64(len(s.devices))})
		s.n++
	}
	return dst
}

// jsonRows is a batch as JSON, for json_each.
func jsonRows(dst []byte, rows []row) []byte {
	dst = append(dst[:0], '[')
	for i, r := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = strconv.AppendInt(dst, r.entry, 10)
		dst = append(dst, ',', '"')
		dst = append(dst, r.device...)
		dst = append(dst, '"', ',')
		dst = strconv.AppendFloat(dst, r.temp, 'g', -1, 32)
		dst = append(dst, ',')
		dst = strconv.AppendFloat(dst, r.rh, 'g', -1, 32)
		dst = append(dst, ',')
		dst = strconv.AppendInt(dst, r.epoch, 10)
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

const insertJSON = `INSERT INTO sensor SELECT 1, value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?)`

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the resident memory of the process in MiB.
func resident() float64 {
	data, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20)
}

// measure runs step b.N times and reports the CPU time per unit, of which a step has n.
func measure(b *testing.B, unit string, n int, step func()) {
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for range b.N {
		step()
	}
	used := cpu() - before
	b.StopTimer()
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(b.N)/float64(n), "us-cpu/"+unit)
	b.ReportMetric(resident(), "MiB-rss")
}

func database(b *testing.B) string { return filepath.Join(b.TempDir(), "bench.db") }

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
