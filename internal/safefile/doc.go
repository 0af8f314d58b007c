// Package safefile writes the small files that other programs read while they run:
// keys, certificates, passwords, rights. A reader of a file that is replaced sees the old
// content or the new, never a part; of a new one a kill may leave a part. What a function
// has returned from survives a loss of power.
package safefile
