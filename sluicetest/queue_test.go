package sluicetest_test

import (
	"testing"

	"sluice"
	"sluice/sluicetest"
)

func TestQueue_Conforms(t *testing.T) {
	sluicetest.TestQueue(t, func(t *testing.T, o sluicetest.QueueOptions) sluice.Queue {
		if o.DeadPerDevice > 0 {
			return sluicetest.NewQueue(sluicetest.WithDeadQuota(o.DeadPerDevice))
		}
		return sluicetest.NewQueue()
	})
}
