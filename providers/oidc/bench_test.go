package oidc

import (
	"syscall"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/providertest"
)

// BenchmarkBegin is one start of a login: no request, no file.
func BenchmarkBegin(b *testing.B) {
	f := upstream(b, time.Now)
	p := openFor(b, f, time.Now, nil)
	for b.Loop() {
		a := providertest.Attempt()
		if _, err := p.Begin(b.Context(), &a); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLogin is Begin and Continue with one request to an upstream on loopback. cpu-us/op is the CPU time
// of the whole process, the upstream's RSA signature and its side of HTTP included; the browser's part is
// done before the clock runs.
func BenchmarkLogin(b *testing.B) {
	f := upstream(b, time.Now)
	p := openFor(b, f, time.Now, nil)
	if _, err := login(b, f, p, providertest.Attempt()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var spent time.Duration
	for b.Loop() {
		a := providertest.Attempt()
		start := cpu()
		next, err := p.Begin(b.Context(), &a)
		spent += cpu() - start
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		reply := signIn(b, f, next)
		b.StartTimer()
		start = cpu()
		if _, err := p.Continue(b.Context(), &a, reply); err != nil {
			b.Fatal(err)
		}
		spent += cpu() - start
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-us/op")
}

// BenchmarkIDToken is what deciding about an ID token costs.
func BenchmarkIDToken(b *testing.B) {
	f := upstream(b, time.Now)
	p := openFor(b, f, time.Now, nil).(*provider)
	a := providertest.Attempt()
	next, err := p.Begin(b.Context(), &a)
	if err != nil {
		b.Fatal(err)
	}
	m, _ := p.metadata.Get(b.Context())
	mem, reply := remembered(b, &a), signIn(b, f, next)
	t, err := p.exchange(b.Context(), m, reply.Values.Get("code"), mem.Verifier)
	if err != nil {
		b.Fatal(err)
	}
	want := expectation{attempt: &a, issuer: m.Issuer, nonce: mem.Nonce, code: reply.Values.Get("code")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.readIDToken(b.Context(), t, want); err != nil {
			b.Fatal(err)
		}
	}
}

func remembered(t testing.TB, a *providers.Attempt) memory {
	t.Helper()
	m, ok := recall(a)
	if !ok {
		t.Fatal("nothing remembered")
	}
	return m
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
