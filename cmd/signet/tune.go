package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// tune is called when all is open. What the start left is given back, and then some memory is spent on less work:
// what lives is a few megabytes, so collecting garbage at three and a half times that instead of twice still leaves a
// broker small. GOGC and GOMAXPROCS in the environment say otherwise.
func tune(database string) {
	debug.FreeOSMemory()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(250)
	}
	// With SQLite one thread is nearly always waiting for the disk. Without a processor of its own, another's would
	// be taken from it at each commit and given back, which costs more than the commit itself.
	if strings.HasPrefix(database, "sqlite:") && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
