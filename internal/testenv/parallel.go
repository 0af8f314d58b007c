package testenv

import (
	"flag"
	"runtime"
	"strconv"
)

// Parallel has n tests of this process run at a time, unless the command line says
// another number than that of the processors: tests that wait more than they compute. It
// parses the flags.
func Parallel(n int) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(strconv.Itoa(n)) // a number is one
	}
}
