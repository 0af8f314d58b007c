// Package doortest tests the front door as it is run: several batch-routers, each a
// process of its own, that devices reach through one address. They are killed,
// stopped, told to end and cut off under load. It has nothing but tests; their names
// state the guarantees.
//
// Environment: DOORTEST_KILLS is how often a replica is killed, stopped or told to
// end while devices publish (default 6; with 10 or more, Redis and PostgreSQL are
// killed as well), DOORTEST_CLIENT_KILLS how often under the client of paho.golang
// (default 3). DOORTEST=full makes the other proofs long, and has them judge memory and
// time, for which the machine must have nothing else to do. DOORTEST_NODE=1 fetches the
// client of Node.js and tests with it.
package doortest
