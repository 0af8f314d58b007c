// Package postgres keeps rows in PostgreSQL 15 or newer: the sink of the sensor
// route, the sinks of dead letters and of changes of devices, the schema and its
// migrations, and the operator's queries.
//
// A batch takes effect exactly once: its rows, its id and its outcome are
// committed in one transaction (table sluice.applied_batch), and a batch that
// comes again is answered from there. Once gives the same to handlers of your
// own.
//
// A database holds many facilities. Set up in this order: Migrate (the command
// `sluice db migrate`), then in each service NewPool, CheckVersion, Facility,
// NewSensor, NewDead and NewDevices.
package postgres
