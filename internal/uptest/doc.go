// Package uptest proves what `sluice up` promises: the first minute of a newcomer, who
// copies the lines that it prints, and that a message which was acknowledged is stored
// exactly once, whatever ends the process.
package uptest
