package saml

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/internal/idptest"
	"github.com/signet-broker/signet/providers"
)

// sized makes an assertion of so many groups, each a GUID.
func sized(groups int) func(*idptest.Answer) {
	return func(a *idptest.Answer) {
		attribute := a.In("AttributeStatement/Attribute[@Name='groups']")
		for range groups {
			v := etree.NewElement("saml:AttributeValue")
			id := strings.ToLower(rand.Text() + rand.Text())
			v.SetText(id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:32])
			attribute.AddChild(v)
		}
	}
}

func benchmarkContinue(b *testing.B, groups int) {
	s := openTest(b, nil)
	attempt, sent := s.begin(b, providers.Attempt{})
	reply := s.answer(b, sent, &idptest.SAMLRow{Alter: sized(groups)})
	b.ReportMetric(float64(base64.StdEncoding.DecodedLen(len(reply.Values.Get("SAMLResponse")))), "bytes")
	inSignatures(b, func() {
		if _, err := s.p.Continue(b.Context(), attempt, reply); err != nil {
			b.Fatal(err)
		}
	})
}

// inSignatures measures f, and beside it the processor time of it in RSA-2048 signatures, made in between: that
// ratio means the same on a busy machine.
func inSignatures(b *testing.B, f func()) {
	key := ourKey().PrivateKey.(*rsa.PrivateKey)
	digest := sha256.Sum256([]byte("signet"))
	var spent, unit time.Duration
	n, signed := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		start := processorTime()
		f()
		spent += processorTime() - start
		if n++; spent > 4*unit {
			b.StopTimer()
			start = processorTime()
			if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
				b.Fatal(err)
			}
			unit += processorTime() - start
			signed++
			b.StartTimer()
		}
	}
	b.ReportMetric(spent.Seconds()/float64(n)/(unit.Seconds()/float64(signed)), "signatures/op")
}

func BenchmarkContinue(b *testing.B)           { benchmarkContinue(b, 0) }
func BenchmarkContinue20KB(b *testing.B)       { benchmarkContinue(b, 220) }
func BenchmarkContinue5000Groups(b *testing.B) { benchmarkContinue(b, 5000) }

func BenchmarkBegin(b *testing.B) {
	s := openTest(b, nil)
	inSignatures(b, func() { s.begin(b, providers.Attempt{}) })
}
