package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usageOf asks the system for a process's usage; 0 is no process, which has used nothing.
func usageOf(pid int) (u usage, err error) {
	if pid == 0 {
		return u, nil
	}
	// The clock of all its threads, those included that have ended (clock_getcpuclockid(3)). Unlike /proc/PID/stat
	// it does not count in steps of 10 ms.
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return u, fmt.Errorf("process %d: %w", pid, err)
	}
	u.cpu = time.Duration(t.Nano())
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			u.resident = kb / 1024
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			u.peak = kb / 1024
		}
	}
	return u, nil
}
