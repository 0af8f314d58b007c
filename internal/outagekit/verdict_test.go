package outagekit

import (
	"testing"
	"time"

	"sluice/device"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(1_800_000_000+int64(s), 0) }
	truth := []device.Outage{
		{Device: "a", Dropped: at(0), Deadline: at(3), Back: at(10), Certain: true},
		{Device: "a", Dropped: at(20), Deadline: at(23), Back: at(30), Certain: true},
		{Device: "b", Dropped: at(0), Deadline: at(3), Back: at(3), Certain: false},
	}
	good := []Told{{"a", at(3), at(4)}, {"a", at(23), at(24)}}
	for _, c := range []struct {
		name                   string
		told                   []Told
		missed, wrong, doubled int
	}{
		{"all told", good, 0, 0, 0},
		{"the doubtful one too", append([]Told{{"b", at(3), at(4)}}, good...), 0, 0, 0},
		{"one missed", good[:1], 1, 0, 0},
		{"one twice", append([]Told{{"a", at(24), at(25)}}, good...), 0, 0, 1},
		{"before the deadline", append([]Told{{"a", at(1), at(2)}}, good...), 0, 1, 0},
		{"before anything happened", append([]Told{{"b", at(-1), at(0)}}, good...), 0, 1, 0},
		{"of another device", append([]Told{{"c", at(3), at(4)}}, good...), 0, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := Judge(truth, c.told, nil, 0)
			if len(v.Missed) != c.missed || len(v.Wrong) != c.wrong || len(v.Doubled) != c.doubled {
				t.Errorf("got %+v, want %d missed, %d false, %d doubled", v, c.missed, c.wrong, c.doubled)
			}
		})
	}
}
