package providertest

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-broker/signet/providers"
)

// hostile changes an honest reply in every way that a browser can, one at a time.
func hostile(t *testing.T, h Harness) {
	first := Attempt()
	next := begin(t, h.Provider, &first)
	_, asks := next.(providers.Ask)
	keys := slices.Sorted(maps.Keys(h.SignIn(t, first, next).Values))

	whole := map[string]func(r *providers.Reply){
		"nothing":          func(r *providers.Reply) { r.Values = nil },
		"no values":        func(r *providers.Reply) { r.Values = url.Values{} },
		"nil values":       func(r *providers.Reply) { change(r, keys, func([]string) []string { return nil }) },
		"other method":     func(r *providers.Reply) { r.Method = otherMethod(r.Method) },
		"unknown method":   func(r *providers.Reply) { r.Method = "BREW" },
		"junk everywhere":  func(r *providers.Reply) { change(r, keys, func([]string) []string { return []string{"\x00\xff<a>&"} }) },
		"empty everywhere": func(r *providers.Reply) { change(r, keys, func([]string) []string { return []string{""} }) },
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		t.Run(name, func(t *testing.T) { altered(t, h, asks, whole[name]) })
	}
	each := map[string]func(v []string) []string{
		"missing":   func([]string) []string { return nil },
		"empty":     func([]string) []string { return []string{""} },
		"twice":     func(v []string) []string { return []string{v[0], v[0]} },
		"and other": func(v []string) []string { return []string{v[0], "other"} },
		"oversized": func(v []string) []string { return []string{strings.Repeat(v[0]+"A", 2<<20/(len(v[0])+1))} },
		"junk":      func([]string) []string { return []string{"%00\x00\xff../../'\"><script>"} },
		"cut":       func(v []string) []string { return []string{v[0][:len(v[0])/2]} },
	}
	for _, key := range keys {
		if slices.Contains(h.Optional, key) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(each)) {
			t.Run(key+" "+name, func(t *testing.T) {
				altered(t, h, asks, func(r *providers.Reply) { change(r, []string{key}, each[name]) })
			})
		}
	}
}

func change(r *providers.Reply, keys []string, how func([]string) []string) {
	for _, k := range keys {
		r.Values[k] = how(r.Values[k])
	}
}

func otherMethod(m string) string {
	if m == http.MethodGet {
		return http.MethodPost
	}
	return http.MethodGet
}

// altered makes an honest reply, spoils it, and wants it refused.
func altered(t *testing.T, h Harness, asks bool, spoil func(r *providers.Reply)) {
	a := Attempt()
	reply := h.SignIn(t, a, begin(t, h.Provider, &a))
	spoil(&reply)
	refused(t, h, a, reply, asks)
}

func concurrent(t *testing.T, h Harness) {
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 3 {
				a := Attempt()
				finish(t, h, &a, h.SignIn(t, a, begin(t, h.Provider, &a)))
			}
		})
	}
}

// cancelled: a browser that has gone away must not keep a goroutine of ours.
func cancelled(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	quick := func(what string, call func() error) {
		t.Helper()
		start := time.Now()
		err := call()
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s took %v after its context had ended", what, took)
		}
		var e *providers.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: error is %T (%v), want *providers.Error", what, err, err)
		}
	}
	a := Attempt()
	quick("Begin", func() error { _, err := h.Provider.Begin(ctx, &a); return err })
	a = Attempt()
	reply := h.SignIn(t, a, begin(t, h.Provider, &a))
	quick("Continue", func() error { _, err := h.Provider.Continue(ctx, &a, reply); return err })

	a = Attempt()
	finish(t, h, &a, h.SignIn(t, a, begin(t, h.Provider, &a)))
}

// unreachable: the person is told who is at fault, and nobody has to restart us afterwards.
func unreachable(t *testing.T, h Harness) {
	if h.Down == nil {
		t.Skip("no upstream")
	}
	h.Down()
	broken := func(what string, err error, took time.Duration) {
		t.Helper()
		var e *providers.Error
		if err != nil && (!errors.As(err, &e) || e.Kind != providers.Upstream || e.Reason == "") {
			t.Errorf("%s: %v, want an *providers.Error of kind Upstream", what, err)
		}
		if took > 10*time.Second {
			t.Errorf("%s took %v, want at most 10 s", what, took)
		}
	}
	a := Attempt()
	start := time.Now()
	_, err := h.Provider.Begin(t.Context(), &a) // may need no upstream
	broken("Begin", err, time.Since(start))

	h.Up()
	again(t, h)

	// Down between the two: an upstream that is needed to finish cannot be.
	a = Attempt()
	reply := h.SignIn(t, a, begin(t, h.Provider, &a))
	h.Down()
	start = time.Now()
	_, err = h.Provider.Continue(t.Context(), &a, reply)
	broken("Continue", err, time.Since(start))
	h.Up()
	again(t, h)
}

// again signs in, and gives the provider some seconds to notice that its upstream is back.
func again(t *testing.T, h Harness) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		a := Attempt()
		_, err := h.Provider.Begin(t.Context(), &a)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Begin, 10 s after the upstream came back: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	a := Attempt()
	finish(t, h, &a, h.SignIn(t, a, begin(t, h.Provider, &a)))
}
