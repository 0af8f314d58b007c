// Package liteq is the queue on an SQLite file, for a pipeline that is one process: a
// sluice.Queue, sluice.DeviceStore and sluice.ClientStore that one process owns.
//
// What is read often is in memory: the open batches' sizes, the account, leases,
// devices, clients. Messages are not. Every step changes the memory, writes the same
// change to the file in one transaction, and is undone in memory if that fails; so both
// are equal after a crash at any point, and Open reads everything from the file.
//
//	liteq_frame   the messages: one row per queue and append, a sluice.Frame
//	liteq_step    what each step changed, oldest first (see journal.go)
//	liteq_record  everything as it was before the oldest of those steps
//
// A step costs one row, whatever it changed; every few hundred steps the records that
// they changed are written once, and the steps are gone.
//
// The frames of a queue are numbered. A batch is a range of them, of which the first
// and the last may be cut anywhere (see fifo.go): sealing moves no message.
package liteq
