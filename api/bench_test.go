package api_test

import (
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"sluice/api"
	"sluice/gen/service"
	"sluice/gen/sluicev1"
	"sluice/internal/testenv"
)

// BenchmarkStreams reads half a million rows through gRPC and reports the time
// and the CPU of this process, which is both api and client, in us per row.
func BenchmarkStreams(b *testing.B) {
	const stored = 500_000
	pool := newDatabase(b, testenv.Database(b), stored, "plant-1")
	exec(b, pool, "VACUUM ANALYZE data.sensor")
	conn := start(b, pool, api.Config{}).dial(b)
	for name, read := range map[string]func() (int, error){
		"QuerySensorRows": func() (n int, err error) {
			stream, err := sluicev1.NewSluiceServiceClient(conn).QuerySensorRows(b.Context(), &sluicev1.QuerySensorRowsRequest{})
			for err == nil && n < stored {
				var chunk *sluicev1.QuerySensorRowsResponse
				chunk, err = stream.Recv()
				n += len(chunk.GetChunk().GetEntryId())
			}
			return n, err
		},
		"GetSensorRows": func() (n int, err error) {
			stream, err := service.NewQueryClient(conn).GetSensorRows(b.Context(), &emptypb.Empty{})
			for err == nil && n < stored {
				_, err = stream.Recv()
				n++
			}
			return n, err
		},
	} {
		b.Run(name, func(b *testing.B) {
			own, began := cpu(b), time.Now()
			for b.Loop() {
				if n, err := read(); err != nil || n != stored {
					b.Fatalf("got %d rows, %v", n, err)
				}
			}
			rows := float64(b.N * stored)
			b.ReportMetric(float64(time.Since(began).Nanoseconds())/1e3/rows, "wall-us/row")
			b.ReportMetric(float64((cpu(b)-own).Nanoseconds())/1e3/rows, "process-us/row")
		})
	}
}

// cpu is the CPU time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
