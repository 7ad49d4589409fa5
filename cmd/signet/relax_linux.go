package main

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// slack is how much later than it asked for a thread may be woken, in nanoseconds.
const slack = 1_000_000

// relax makes this process's threads sleep up to a millisecond longer than they ask for (prctl(2),
// PR_SET_TIMERSLACK), where the system's default is 50 microseconds. Go's runtime has a thread that looks after the
// others 20 microseconds after it last did, for as long as one has waited for the system: with two processors and
// PostgreSQL that alone was a tenth of what a login costs. It is older than main and keeps what the process began
// with, so the program begins once more. Where that is not possible, it goes on as it is.
func relax() {
	runtime.LockOSThread() // each thread has its own
	defer runtime.UnlockOSThread()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || now >= slack {
		return
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0); err != nil {
		return
	}
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || now < slack {
		return // it would begin for ever
	}
	if self, err := os.Executable(); err == nil {
		syscall.Exec(self, os.Args, os.Environ()) //nolint:errcheck,gosec // this very program, or nothing
	}
}
