package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// usage is what a process has used up.
type usage struct {
	cpu            time.Duration // user and system, since it was started
	resident, peak float64       // MB
}

// Machine is what is measured on, and its units.
type Machine struct {
	CPUs    int     `json:"cpus"`
	System  string  `json:"system"`
	Go      string  `json:"go"`
	RSA2048 float64 `json:"rsa2048_ms"` // CPU time of one RSA-2048 signature
	P256    float64 `json:"p256_ms"`    // of one P-256 signature
}

func thisMachine() (Machine, error) {
	m := Machine{CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	digest := sha256.Sum256([]byte("signet"))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return m, err
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return m, err
	}
	m.RSA2048, err = cost(20, func() error {
		_, err := rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA256, digest[:])
		return err
	})
	if err != nil {
		return m, err
	}
	m.P256, err = cost(500, func() error {
		_, err := ecdsa.SignASN1(rand.Reader, ecKey, digest[:])
		return err
	})
	return m, err
}

// cost returns the CPU milliseconds of one f: the median of 15 batches of n. Time on the clock would
// count what others do on this machine.
func cost(n int, f func() error) (float64, error) {
	batches := make([]float64, 15)
	for b := range batches {
		before, err := ownCPU()
		if err != nil {
			return 0, err
		}
		for range n {
			if err := f(); err != nil {
				return 0, err
			}
		}
		after, err := ownCPU()
		if err != nil {
			return 0, err
		}
		batches[b] = ms(after-before) / float64(n)
	}
	slices.Sort(batches)
	return batches[len(batches)/2], nil
}

func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
