package keys_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"slices"
	"testing"
	"time"

	"github.com/signet-broker/signet/broker/keys"
)

func TestCertificateIsTheSameOnEveryNode(t *testing.T) {
	b := newBench(t)
	first, err := b.open(keys.Default).Certificate(t.Context(), "saml")
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.open(keys.Default).Certificate(context.Background(), "saml")
	if err != nil || !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Errorf("two nodes have different certificates (%v)", err)
	}
}

// TestCertificateRollOver: a successor is published before it is used, and its predecessor decrypts after.
func TestCertificateRollOver(t *testing.T) {
	const day = 24 * time.Hour
	b := newBench(t)
	r, other := b.open(keys.Default), b.open(keys.Default)
	step := func(when string, want ...*tls.Certificate) []*tls.Certificate {
		t.Helper()
		for _, node := range []*keys.Ring{r, other} {
			if err := node.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got, err := r.Certificates(t.Context(), "saml")
		there, otherErr := other.Certificates(t.Context(), "saml")
		same := func(a, b *tls.Certificate) bool { return bytes.Equal(a.Certificate[0], b.Certificate[0]) }
		if err != nil || otherErr != nil || want != nil && !slices.EqualFunc(got, want, same) || !slices.EqualFunc(got, there, same) {
			t.Fatalf("%s: %d certificates (%v), %d on another node (%v), want %d", when, len(got), err, len(there), otherErr, len(want))
		}
		signs, err := r.Certificate(t.Context(), "saml")
		if err != nil || !same(signs, got[0]) {
			t.Fatalf("%s: the first is not the one in use (%v)", when, err)
		}
		return got
	}
	rotate := func(now bool, status string) {
		t.Helper()
		if k, err := r.RotateCertificate(t.Context(), "saml", now); err != nil || k.Status != status || k.Expires.IsZero() {
			t.Fatalf("RotateCertificate(%v) = %+v, %v, want it %s", now, k, err, status)
		}
	}
	first := step("at first")[0]
	b.pass(80 * day)
	step("after 80 days", first)
	rotate(false, "next")
	rotate(false, "next")
	second := step("when asked for another")[1]
	step("when asked twice", first, second)
	b.pass(13 * day)
	step("after 13 days", first, second)
	b.pass(2 * day)
	step("after 15 days", second, first)
	b.pass(28 * day)
	step("after 43 days", second, first)
	b.pass(2 * day)
	step("after 45 days", second)
	if n := len(slices.DeleteFunc(r.List(), func(k keys.Info) bool { return k.Use != "saml" })); n != 1 {
		t.Errorf("%d certificates in the database, want the former one gone", n)
	}
	rotate(false, "next")
	third := step("asked again")[1]
	rotate(true, "active")
	step("at once", third, second)
	rotate(true, "active")
	fourth := step("at once without a next one")[0]
	step("two are kept", fourth, third, second)
	b.pass(31 * day)
	step("a month later", fourth)

	// Nobody asks, and it is about to run out.
	b.pass(fourth.Leaf.NotAfter.Sub(b.Now()) - 61*day)
	step("61 days before its end", fourth)
	b.pass(2 * day)
	step("59 days before its end", fourth, step("59 days before its end")[1])
}

// TestRotateLeavesCertificates: new keys for tokens are no reason to tell every identity provider.
func TestRotateLeavesCertificates(t *testing.T) {
	b := newBench(t)
	r := b.open(keys.Default)
	was, err := r.Certificate(t.Context(), "saml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := r.Certificates(t.Context(), "saml"); err != nil || len(now) != 1 || !bytes.Equal(now[0].Certificate[0], was.Certificate[0]) {
		t.Errorf("%d certificates (%v), want the one of before", len(now), err)
	}
}
