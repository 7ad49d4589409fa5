//go:build !linux

package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// usageOf asks ps for a process's usage (there is no call for that of another process that still runs);
// 0 is no process, which has used nothing. ps knows no peak.
func usageOf(pid int) (u usage, err error) {
	if pid == 0 {
		return u, nil
	}
	out, err := exec.Command("ps", "-o", "rss=,time=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return u, fmt.Errorf("ps -p %d: %w", pid, err)
	}
	fields := strings.Fields(string(out))
	if len(fields) != 2 {
		return u, fmt.Errorf("ps -p %d said %q", pid, out)
	}
	kb, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return u, err
	}
	u.resident, u.peak = kb/1024, kb/1024
	for part := range strings.SplitSeq(fields[1], ":") { // [hours:]minutes:seconds
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return u, err
		}
		u.cpu = u.cpu*60 + time.Duration(n*float64(time.Second))
	}
	return u, nil
}
