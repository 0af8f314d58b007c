// Package bench loads a pipeline through its broker and checks what comes out.
//
// Every message carries a distinct (device, epoch) and values that follow from
// these two, so that afterwards each row can be judged by itself: there or
// missing, once or several times, right or wrong. On a keyless route it carries
// a number instead, which Counter writes to a table without a unique key.
//
//	b, err := bench.New(bench.Config{Address: "127.0.0.1:1883", Messages: 500_000})
//	result, err := b.Run(ctx)
//	ok := err == nil && result.OK()
//
// The generator is made to be so light that it is not what is measured: one
// goroutine per connection; a read that brings k PUBACKs is answered with one
// write of k PUBLISHes. That holds at full speed. In a paced run every message is
// a write and a read of its own, as with real devices, and costs accordingly.
//
// # What the figures mean
//
// PUBACK latency is from the write of a PUBLISH to the read of its PUBACK. A
// paced run says with LagMax how far it fell behind its schedule.
//
// Row latency is from the write of a PUBLISH to the moment at which its row can
// be seen by another session. Rows become visible in the order of entry_id, so
// one cheap question, the facility's counter, asked every LatencyPoll, dates
// them all; the check after the run, which reads every row, then knows the
// latency of up to 100 000 messages spread evenly over the run. It is too long
// by up to one LatencyPoll and the time of the question, never too short.
//
// CPU time is that of a process and all its descendants, living or reaped, in
// ticks of 10 ms, from the first PUBLISH until all rows were seen. Time spent in
// the database for the benchmark's own questions is left out.
package bench
