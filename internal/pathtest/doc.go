// Package pathtest tests the whole data path, device to row, against real
// servers that are killed, stopped, filled and wiped under load. It has nothing
// but tests; their names state the guarantees.
//
// A site is a broker, a Redis and a database. The router under test is a process
// of its own: the test binary again, which TestMain turns into a router when its
// environment says so. It is composed of the real adapters. Where it is to die,
// decorators around Queue and Handler raise SIGKILL at a named point; production
// code knows nothing of them.
//
// Every test ends with Ledger.Verify of pathload: each message that the broker acknowledged is
// stored exactly once with the values sent, or is a dead letter with its reason,
// and the accounts of all routes balance and agree with the tables.
//
// Environment: PATHTEST_KILLS is the number of random kills of the router
// (default 20), PATHTEST_RESTARTS that of restarts by SIGTERM (default 10),
// PATHTEST_STORMS that of rounds in which everything dies once (default 3).
package pathtest
