package api

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"sluice/gen/service"
	"sluice/gen/sluicev1"
)

// A row that is encoded by hand is what protobuf makes of it.
func FuzzEncodeRows(f *testing.F) {
	f.Add(int64(1), int32(1), "dev-1", float32(21.5), float32(40), int64(1_700_000_000))
	f.Add(int64(0), int32(0), "", float32(0), float32(0), int64(0))
	f.Add(int64(math.MaxInt64), int32(math.MaxInt32), strings.Repeat("x", 64), float32(math.Copysign(0, -1)), float32(math.MaxFloat32), int64(-1))
	f.Add(int64(math.MinInt64), int32(-1), "\xff", float32(math.NaN()), float32(math.Inf(-1)), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, entry int64, facility int32, device string, temp, rh float32, epoch int64) {
		chunk := &sluicev1.SensorChunk{
			FacilityId: facility, EntryId: []int64{7, entry}, Device: []string{"before", device},
			Temp: []float32{1, temp}, Rh: []float32{2, rh}, Epoch: []int64{3, epoch},
		}
		for i, part := range encodeRows(chunk, 0, 2) {
			want, err := proto.Marshal(&service.SensorRows{
				EntryId: chunk.EntryId[i], FacilityId: facility, Device: chunk.Device[i],
				Temp: chunk.Temp[i], Rh: chunk.Rh[i], Epoch: chunk.Epoch[i],
			})
			if err != nil {
				t.Skip("not UTF-8: the database has none")
			}
			data, err := newCodec().Marshal(&encodedRow{data: encodeRows(chunk, i, i+1)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(data.Materialize())); diff != "" || part.Len() != len(want) {
				t.Errorf("row %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

// Every other message is encoded as ever.
func TestCodec_OtherMessages(t *testing.T) {
	t.Parallel()
	want := &sluicev1.QuerySensorRowsRequest{Facilities: []string{"plant-1"}, Limit: 5}
	data, err := newCodec().Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &sluicev1.QuerySensorRowsRequest{}
	if err := newCodec().Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
