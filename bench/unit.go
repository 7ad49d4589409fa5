package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// unitEvery is how often a signature is made beside a load: often enough for a mean, seldom enough (some
// hundredths of a CPU) to be no load of its own.
const unitEvery = 25 * time.Millisecond

// unitBeside makes an RSA-2048 signature now and then until stop is closed, and then sends the CPU
// milliseconds that one took on average.
//
// A signature costs more on a busy machine than on an idle one: caches are cold, and processors are shared,
// with the load or with whoever else has the machine. The broker's work costs more there in the same way,
// so only a unit of the same seconds gives a ratio that means something.
func unitBeside(stop <-chan struct{}) (<-chan float64, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte("signet"))
	result := make(chan float64, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tick := time.NewTicker(unitEvery)
		defer tick.Stop()
		var spent time.Duration
		n := 0
		for {
			select {
			case <-stop:
				result <- ms(spent) / float64(max(n, 1))
				return
			case <-tick.C:
			}
			before := threadCPU()
			if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err == nil {
				spent, n = spent+threadCPU()-before, n+1
			}
		}
	}()
	return result, nil
}

// threadCPU is what the calling thread has used up, to the nanosecond: getrusage would count in ticks.
func threadCPU() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
