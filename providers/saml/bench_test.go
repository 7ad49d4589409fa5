package saml

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

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
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.p.Continue(b.Context(), attempt, reply); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContinue(b *testing.B)           { benchmarkContinue(b, 0) }
func BenchmarkContinue20KB(b *testing.B)       { benchmarkContinue(b, 220) }
func BenchmarkContinue5000Groups(b *testing.B) { benchmarkContinue(b, 5000) }

func BenchmarkBegin(b *testing.B) {
	s := openTest(b, nil)
	for b.Loop() {
		s.begin(b, providers.Attempt{})
	}
}
