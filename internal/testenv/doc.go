// Package testenv starts private, real servers: Mosquitto, Redis and PostgreSQL,
// from the binaries on the machine, on free loopback ports, with the
// configuration files of package deploy.
//
// Tests call Mosquitto, Redis, Postgres and Database; programs call
// StartMosquitto and its kin, or Start for all three. Servers of a test end with
// the test, also when the test process is killed (on Linux; elsewhere only their
// files go). A missing binary fails the test and says what to install.
//
//	broker := testenv.Mosquitto(t)
//	queue := testenv.Redis(t)
//	url := testenv.Database(t)       // a fresh database
//	link := testenv.Proxy(t, queue.Addr())
//	queue.Kill()                     // SIGKILL
//	queue.Start()                    // same port, same data
package testenv
