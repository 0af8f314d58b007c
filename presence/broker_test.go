package presence

import (
	"testing"
	"time"
)

func TestUptime_TellsARestart(t *testing.T) {
	t.Parallel()
	// The broker was last known to run at `last`; the uptime came at `at` after that.
	const last = int64(1_700_000_000_000_000)
	for _, tt := range []struct {
		name  string
		up    time.Duration
		at    time.Duration
		stale bool
		want  verdict
	}{
		{"same broker", time.Hour, 10 * time.Second, false, same},
		{"same broker, running a little longer than that", 11 * time.Second, 10 * time.Second, false, same},
		{"restarted long ago, but after that", time.Hour, 2 * time.Hour, false, restarted},
		{"restarted just after", 10 * time.Second, 12 * time.Second, false, restarted},
		{"young broker", 0, 3 * time.Second, false, restarted},
		{"started at that very moment: in doubt it was restarted", 10 * time.Second, 10 * time.Second, false, restarted},

		{"stale, same broker", time.Hour, 10 * time.Second, true, same},
		{"stale by half a minute, same broker", time.Hour, time.Hour - 31*time.Second, true, same},
		{"stale, may have been started before or after", 10 * time.Second, time.Minute, true, undecided},
		{"stale, young broker", 0, 3 * time.Second, true, undecided},
		{"stale, started at the latest possible", 0, 70 * time.Second, true, undecided},
		{"stale, started later than any age of it explains", 0, 71 * time.Second, true, restarted},
		{"stale, restarted long ago", time.Hour, 2 * time.Hour, true, restarted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := uptime{up: tt.up, at: last + tt.at.Microseconds(), stale: tt.stale}
			got, started := u.judge(last)
			if got != tt.want || started != u.at-tt.up.Microseconds() {
				t.Errorf("got verdict %d, started at %d, want %d and %d", got, started, tt.want, u.at-tt.up.Microseconds())
			}
			if got, _ := u.judge(0); got != same {
				t.Errorf("first contact: got verdict %d, want none of a restart", got)
			}
		})
	}
}
