// Package sqlite measures the two SQLite drivers that need no cgo at what Sluice
// does with them: appending a group to the queue, inserting rows in bulk, reading
// rows in a stream. docs/adr/007-sqlite-driver.md has the figures.
//
// It is a module of its own, so that the driver that was not chosen is no
// dependency of Sluice:
//
//	cd bench/sqlite && go test -run=^$ -bench=. -benchtime=2s
//
// us-cpu/row and us-cpu/group are CPU time of the whole process, of kernel and user,
// so they do not depend on how busy the machine is. The database lies in TMPDIR: let
// that be the disk that is to be measured.
package sqlite
