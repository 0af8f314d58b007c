package sluicetest_test

import (
	"testing"

	"sluice/sluicetest"
)

func TestQueue_KeepsClients(t *testing.T) {
	t.Parallel()
	sluicetest.TestClients(t, func(*testing.T, sluicetest.QueueOptions) sluicetest.Store { return sluicetest.NewQueue() })
}

// A FaultyQueue of a store that keeps clients keeps them too.
func TestFaulty_KeepsClients(t *testing.T) {
	t.Parallel()
	sluicetest.TestClients(t, func(*testing.T, sluicetest.QueueOptions) sluicetest.Store {
		return sluicetest.Faulty(sluicetest.NewQueue(), nil)
	})
}
