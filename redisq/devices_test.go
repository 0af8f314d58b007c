package redisq_test

import (
	"fmt"
	"testing"

	"sluice/internal/testenv"
	"sluice/redisq"
	"sluice/sluicetest"
)

func TestDevices_Conformance(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	sluicetest.TestDevices(t, func(t *testing.T, o sluicetest.QueueOptions) sluicetest.Store {
		return open(t, server, redisq.Config{DeadPerDevice: o.DeadPerDevice})
	})
}

// The state machine in Lua does what the one in Go does, over random histories.
func TestDevices_DoWhatTheStateMachineDoes(t *testing.T) {
	t.Parallel()
	histories := 150
	if testing.Short() {
		histories = 20
	}
	server := testenv.Redis(t, testenv.Config("appendfsync no"))
	for seed := range histories {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			sluicetest.CompareDevices(t, sluicetest.NewQueue(), open(t, server, redisq.Config{Profile: redisq.Fast}), uint64(seed))
		})
	}
}
