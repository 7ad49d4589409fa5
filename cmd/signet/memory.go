package main

import "runtime/debug"

// tuneMemory keeps the resident memory small: the live data of a broker is a few megabytes, so collecting
// more often costs little. An operator's GOGC and GOMEMLIMIT are not touched by a soft limit that is higher.
func tuneMemory() {
	debug.SetMemoryLimit(40 << 20)
}
