package main

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// slack is how much later than it asked for a thread may be woken, in nanoseconds.
const slack = 4_000_000

// relax makes this process's threads sleep up to four milliseconds longer than they ask for (prctl(2),
// PR_SET_TIMERSLACK), where the system's default is 50 microseconds. Go's runtime has a thread that looks after the
// others 20 microseconds after it last did, for as long as one has waited for the system: with two processors that
// alone was a tenth of what a login costs. It is older than main and keeps what the process began with, so the program
// begins once more. Where that is not possible, it goes on as it is.
func relax() {
	const relaxed = "SIGNET_RELAXED" // so that it begins once more and not for ever
	if os.Getenv(relaxed) != "" {
		os.Unsetenv(relaxed)
		return
	}
	runtime.LockOSThread() // each thread has its own
	defer runtime.UnlockOSThread()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || now >= slack {
		return
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0); err != nil {
		return
	}
	if self, err := os.Executable(); err == nil {
		syscall.Exec(self, os.Args, append(os.Environ(), relaxed+"=1")) //nolint:errcheck,gosec // its own path and arguments
	}
}
