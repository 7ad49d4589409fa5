package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRelax begins a process that relaxes, and asks one of its threads that is older than that what it has been given.
func TestRelax(t *testing.T) {
	const child = "SIGNET_TEST_RELAX"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRelax$")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if want := fmt.Sprintf("slack %d\n", slack); err != nil || !strings.HasPrefix(string(out), want) {
			t.Fatalf("%s%v, want %s", out, err, want)
		}
		return
	}
	runtime.LockOSThread() // this thread is there before relax is called, on another one
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() { relax(); close(done) }()
	<-done
	got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("slack", got)
}
