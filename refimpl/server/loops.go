package server

import "runtime"

// loops is the number of event loops: n, or one per processor in use.
func loops(n int) int {
	if n > 0 {
		return n
	}
	return min(runtime.GOMAXPROCS(0), 256)
}
