package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"sluice/gen/sluicev1"
)

// apiPoll is the least time between two looks at an api: it shall not cost the
// process that is measured.
const apiPoll = 500 * time.Millisecond

// apiTable is data.sensor behind an api.
type apiTable struct {
	api      sluicev1.SluiceServiceClient
	plan     *plan
	facility string
	topic    string // the route's queue

	before int64 // messages that the route had stored before the run
}

// openAPI makes no connection yet.
func openAPI(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func (t *apiTable) prepare(ctx context.Context) (err error) {
	if t.before, err = t.stored(ctx); err != nil {
		return err
	}
	for range 20 {
		n, err := t.read(ctx, 1, func(*sluicev1.SensorChunk, int) {})
		if err != nil || n == 0 {
			return err
		}
		if t.plan.fixed {
			return fmt.Errorf("base epoch %d: there are rows at that time or after; choose another", t.plan.base)
		}
		t.plan.pickBase()
	}
	return errors.New("no free epochs: the facility is full of rows of earlier runs")
}

// stored is how many messages the route has stored, as of the last 2 s.
func (t *apiTable) stored(ctx context.Context) (int64, error) {
	routes, err := t.api.ListRoutes(ctx, &sluicev1.ListRoutesRequest{Facilities: []string{t.facility}})
	if err != nil {
		return 0, err
	}
	for _, r := range routes.GetRoutes() {
		if r.GetRoute() == t.topic {
			return r.GetStored(), nil
		}
	}
	return 0, nil
}

func (t *apiTable) visible(ctx context.Context) (int64, error) {
	n, err := t.stored(ctx)
	return n - t.before, err
}

func (t *apiTable) count(ctx context.Context) (n int64, err error) {
	return n, t.each(ctx, func(row) { n++ })
}

func (t *apiTable) each(ctx context.Context, yield func(row)) error {
	_, err := t.read(ctx, 0, func(c *sluicev1.SensorChunk, i int) {
		index, ok := t.plan.index(c.Device[i], c.Epoch[i])
		if !ok {
			return // another program's device of a similar name
		}
		temp, rh := values(index/t.plan.stride, c.Epoch[i])
		yield(row{index: index, id: c.EntryId[i], wrong: c.Temp[i] != temp || c.Rh[i] != rh})
	})
	return err
}

// read streams the rows of the run's epochs, at most limit (0: all), by entry id, and
// returns how many there were.
func (t *apiTable) read(ctx context.Context, limit int64, yield func(c *sluicev1.SensorChunk, i int)) (n int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, err := t.api.QuerySensorRows(ctx, &sluicev1.QuerySensorRowsRequest{
		Facilities: []string{t.facility}, FromEpoch: t.plan.base, ToEpoch: t.plan.base + int64(t.plan.stride), Limit: limit,
		Order: sluicev1.SensorOrder_SENSOR_ORDER_ENTRY,
	})
	if err != nil {
		return 0, err
	}
	for {
		resp, err := rows.Recv()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		c := resp.GetChunk()
		for i := range c.GetEntryId() {
			yield(c, i)
		}
		n += int64(len(c.GetEntryId()))
	}
}
