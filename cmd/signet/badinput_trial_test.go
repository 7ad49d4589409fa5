package main

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// page is a token endpoint's answer as any other.
func (a tokenAnswer) page(w *trial, path string) *page {
	return &page{w: w.world, url: &url.URL{Path: path}, status: a.status, header: a.header, body: a.body}
}

// within returns an answer that must not keep Signet busy longer than d. A busy machine gets more tries, and
// the race detector more time.
func (w *trial) within(d time.Duration, do func() *page) (p *page) {
	w.t.Helper()
	if raceEnabled {
		d *= 5
	}
	quickest := time.Hour
	for range 10 {
		p = do()
		us, err := strconv.ParseFloat(w.logged(p)["us"], 64)
		if err != nil {
			w.t.Fatal(err)
		}
		if quickest = min(quickest, time.Duration(us)*time.Microsecond); quickest < d {
			return p
		}
	}
	w.t.Errorf("took %s, want at most %s", quickest, d)
	return p
}

// flipped is a token of which one bit of the last part has changed.
func flipped(token string) string {
	dot := strings.LastIndexByte(token, '.')
	last, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		panic(err) // not a token
	}
	last[0] ^= 1
	return token[:dot+1] + base64.RawURLEncoding.EncodeToString(last)
}

// unsigned is a token that claims to need no signature.
func unsigned(token string) string {
	part := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part[1] + "."
}

// uncookied is the answer of a row whose honest part ends in a session.
func (p *page) uncookied() *page {
	p.header.Del("Set-Cookie")
	return p
}

func writeConfig(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "signet.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
