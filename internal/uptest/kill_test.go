package uptest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"sluice/gen/sluicev1"
	"sluice/internal/pathload"
	"sluice/internal/testenv"
)

// The process is killed again and again while devices publish: every message that was
// acknowledged is a row, once, with what was sent, and no other row is there.
func TestUp_KilledUnderLoad_StoresOnce(t *testing.T) {
	kills := testenv.Number(t, "UPTEST_KILLS", 8)
	if kills < 10 {
		t.Parallel()
	}
	s := newSite(t, 0, "")
	s.awaitUp()
	l := pathload.Start(t, pathload.Link{Address: s.door, AnswerWithin: 2 * time.Second}, pathload.Plan{
		Sensors: 12, Numbers: -1, Interval: 20 * time.Millisecond,
	})
	for range kills {
		l.AwaitAcked(100)
		pass(t, rand.N(300*time.Millisecond))
		s.Kill()
		s.start()
		if rand.N(2) == 0 { // or it is killed while it starts
			s.awaitUp()
		}
	}
	l.AwaitAcked(100)
	sent := l.Finish()
	s.awaitUp()
	rows := s.awaitRows(acknowledged(sent))
	s.verify(sent, rows)
	s.Terminate()
	t.Logf("%d kills, %d messages sent, %d acknowledged, %d rows", kills, len(sent), acknowledged(sent), len(rows))
}

// pass lets the time of a fault pass.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func acknowledged(sent []*pathload.Publication) (n int) {
	for _, p := range sent {
		if p.Acknowledged() {
			n++
		}
	}
	return n
}

// reading is a row without its number.
type reading struct {
	device   string
	epoch    int64
	temp, rh float32
}

// verify compares what was sent with the rows.
func (s *site) verify(sent []*pathload.Publication, rows []reading) {
	s.t.Helper()
	times := map[reading]int{}
	for _, r := range rows {
		times[r]++
	}
	missing, doubled := 0, 0
	for _, p := range sent {
		r := reading{p.Row.Device, p.Row.Epoch, p.Row.Temp, p.Row.Rh}
		switch n := times[r]; {
		case n == 0 && p.Acknowledged():
			missing++
		case n > 1:
			doubled++
		}
		delete(times, r)
	}
	if missing+doubled+len(times) > 0 {
		s.t.Errorf("%d missing, %d doubled, %d rows that nobody has sent", missing, doubled, len(times))
	}
}

// awaitRows waits until there are n rows and returns all.
func (s *site) awaitRows(n int) (rows []reading) {
	s.t.Helper()
	pathload.Eventually(s.t, time.Minute, func() (err error) {
		if rows, err = s.rows(); err == nil && len(rows) < n {
			err = fmt.Errorf("%d rows, want %d", len(rows), n)
		}
		return err
	})
	return rows
}

// rows reads all rows by the api, whose entry ids must be 1, 2, 3 and so on.
func (s *site) rows() (rows []reading, err error) {
	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stream, err := sluicev1.NewSluiceServiceClient(conn).QuerySensorRows(s.t.Context(), &sluicev1.QuerySensorRowsRequest{})
	if err != nil {
		return nil, err
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		c := resp.GetChunk()
		for i, id := range c.GetEntryId() {
			rows = append(rows, reading{c.Device[i], c.Epoch[i], c.Temp[i], c.Rh[i]})
			if id != int64(len(rows)) {
				return nil, fmt.Errorf("entry id %d, want %d", id, len(rows))
			}
		}
	}
}
