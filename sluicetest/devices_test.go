package sluicetest_test

import (
	"testing"

	"sluice/sluicetest"
)

func TestQueue_KeepsDevices(t *testing.T) {
	t.Parallel()
	sluicetest.TestDevices(t, func(*testing.T, sluicetest.QueueOptions) sluicetest.Store { return sluicetest.NewQueue() })
}

// A FaultyQueue of a store that keeps devices keeps them too.
func TestFaulty_KeepsDevices(t *testing.T) {
	t.Parallel()
	sluicetest.TestDevices(t, func(*testing.T, sluicetest.QueueOptions) sluicetest.Store {
		return sluicetest.Faulty(sluicetest.NewQueue(), nil)
	})
}
