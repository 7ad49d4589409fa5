package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// tune is called when all is open. What the start left is given back, and then some memory is spent on less work:
// what lives is a few megabytes, so collecting garbage at three and a half times that instead of twice still leaves a
// broker small. GOGC in the environment says otherwise.
func tune() {
	runtime.GC() // what is pooled outlives one collection, and would make the next one late
	debug.FreeOSMemory()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(250)
	}
}
