package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// clientRows are apps that authenticate wrongly, or ask for what is not there.
func clientRows() []row {
	rows := []row{
		calls("P-61", "wrong secret", http.StatusUnauthorized, "invalid_client", func(r *http.Request, _ url.Values) { r.SetBasicAuth(webApp, "wrong") }),
		calls("P-61", "wrong secret in the form", http.StatusUnauthorized, "invalid_client", func(r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			f.Set("client_id", webApp)
			f.Set("client_secret", "wrong")
		}),
		calls("P-61", "app of nobody", http.StatusUnauthorized, "invalid_client", func(r *http.Request, _ url.Values) { r.SetBasicAuth("nobody", appSecret) }),
		calls("P-61", "no app", http.StatusUnauthorized, "invalid_client", func(r *http.Request, _ url.Values) { r.Header.Del("Authorization") }),
		calls("P-61", "half a Basic header", http.StatusUnauthorized, "invalid_client", func(r *http.Request, _ url.Values) { r.Header.Set("Authorization", "Basic d2Vi") }),
		calls("P-61", "another scheme", http.StatusUnauthorized, "invalid_client", func(r *http.Request, f url.Values) {
			r.Header.Set("Authorization", "Bearer "+appSecret)
			f.Set("client_id", publicApp)
		}),
		calls("P-62", "secret in header and form", http.StatusBadRequest, "invalid_request", func(_ *http.Request, f url.Values) { f.Set("client_secret", appSecret) }),
		calls("P-62", "two secrets in the form", http.StatusBadRequest, "invalid_request", func(r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			f.Set("client_id", webApp)
			f["client_secret"] = []string{"wrong", appSecret}
		}),
		calls("P-63", "one app in the header, another in the form", http.StatusUnauthorized, "invalid_client", func(_ *http.Request, f url.Values) { f.Set("client_id", otherApp) }),
		calls("P-63", "two client_ids in the form", http.StatusBadRequest, "invalid_request", func(_ *http.Request, f url.Values) { f["client_id"] = []string{webApp, webApp} }),
		calls("P-66", "public app with a secret", http.StatusUnauthorized, "invalid_client", func(r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			f.Set("client_id", publicApp)
			f.Set("client_secret", appSecret)
		}),
		calls("P-66", "app with a secret that sends none", http.StatusUnauthorized, "invalid_client", func(r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			f.Set("client_id", webApp)
		}),
		calls("P-66", "public app with an assertion", http.StatusUnauthorized, "invalid_client", func(r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			f.Set("client_id", publicApp)
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			f.Set("client_assertion", "e30.e30.e30")
		}),
		calls("P-67", "secret in the address", http.StatusBadRequest, "invalid_request", func(r *http.Request, _ url.Values) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = url.Values{"client_id": {webApp}, "client_secret": {appSecret}}.Encode()
		}),
		calls("P-76", "certificate in a header", http.StatusUnauthorized, "invalid_client", func(r *http.Request, f url.Values) {
			r.Header = http.Header{"Content-Type": r.Header["Content-Type"], "X-Ssl-Cert": {"x"}, "X-Ssl-Client-Verify": {"SUCCESS"}, "X-Forwarded-Client-Cert": {"Subject=web"}}
			f.Set("client_id", webApp)
		}),
	}
	for _, g := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:openid:params:grant-type:ciba", "AUTHORIZATION_CODE"} {
		rows = append(rows, calls("P-78", "grant "+g, http.StatusBadRequest, "unsupported_grant_type", func(_ *http.Request, f url.Values) {
			f.Set("grant_type", g)
			f.Set("username", "ann")
			f.Set("password", "correct horse battery")
		}))
	}
	rows = append(rows, calls("P-78", "no grant", http.StatusBadRequest, "invalid_request", func(_ *http.Request, f url.Values) { f.Del("grant_type") }))
	return slices.Concat(rows, guessedSecretRows(), oddRows())
}

// guessedSecretRows: nothing about an answer tells how much of a secret was right, nor whether there is such an app.
func guessedSecretRows() []row {
	rows := []row{{id: "P-79", name: "secrets that are wrong sooner and later", fresh: true, do: func(w *trial) *page {
		guesses := map[string][2]string{
			"the first character":        {webApp, "b" + appSecret[1:]},
			"the last character":         {webApp, appSecret[:len(appSecret)-1] + "x"},
			"everything, at some length": {webApp, strings.Repeat("x", 4<<10)},
			"the app too":                {"nobody", appSecret},
		}
		answers, times := map[string]string{}, map[string][]time.Duration{}
		ask := func(name string) time.Duration {
			start := time.Now()
			p := w.call(guesses[name][0], guesses[name][1], url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, func(*http.Request, url.Values) {})
			took := time.Since(start)
			answers[name] = fmt.Sprint(p.status, p.header["Www-Authenticate"], p.body)
			if p.status != http.StatusUnauthorized {
				w.t.Errorf("%s: %v", name, p)
			}
			return took
		}
		names := slices.Sorted(maps.Keys(guesses))
		const rounds = 100
		for i := range rounds * len(names) { // in turns, whatever the machine does
			if i%80 == 0 {
				w.pass(2 * time.Minute) // else an address has guessed too often
			}
			name := names[i%len(names)]
			times[name] = append(times[name], ask(name))
		}
		for _, name := range names[1:] {
			if answers[name] != answers[names[0]] {
				w.t.Errorf("%s wrong = %s, %s wrong = %s", name, answers[name], names[0], answers[names[0]])
			}
		}
		var medians []time.Duration
		for _, name := range names {
			slices.Sort(times[name])
			medians = append(medians, times[name][rounds/2])
		}
		w.t.Logf("medians %v", medians)
		if least, most := slices.Min(medians), slices.Max(medians); most-least > max(3*time.Millisecond, least/2) {
			w.t.Errorf("medians %v", medians)
		}
		return nil
	}}}
	for name, secret := range map[string]string{
		"the start of the secret": appSecret[:len(appSecret)-1], "the secret and more": appSecret + "x", "the secret and a NUL": appSecret + "\x00", "the secret in capitals": strings.ToUpper(appSecret),
		"the hash of the secret": hashOf(appSecret), "the hash of the secret in hexadecimal": hex.EncodeToString([]byte(hashOf(appSecret))),
	} {
		rows = append(rows, calls("P-79", name, http.StatusUnauthorized, "invalid_client", func(r *http.Request, _ url.Values) { r.SetBasicAuth(webApp, secret) }))
	}
	return rows
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return string(sum[:])
}

// calls is a row that sends web's good code to the token endpoint with something wrong about the call.
func calls(id, name string, status int, reason string, change func(*http.Request, url.Values)) row {
	return row{id: id, name: name, status: status, reason: reason, do: func(w *trial) *page {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {w.code(webApp, nil)}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
		w.ready()
		return w.call(webApp, appSecret, form, change)
	}}
}

// call posts a form to the token endpoint.
func (w *trial) call(app, secret string, form url.Values, change func(*http.Request, url.Values)) *page {
	w.t.Helper()
	b := w.browser()
	draft := b.request(http.MethodPost, "/token", "")
	draft.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	draft.SetBasicAuth(app, secret)
	change(draft, form)
	req := b.request(http.MethodPost, draft.URL.String(), form.Encode())
	req.Header = draft.Header
	return b.do(req)
}

// oddRows are secrets as apps really send them (RFC 6749 §2.3.1).
func oddRows() []row {
	sent := func(name string, change func(*http.Request, url.Values)) row {
		return row{id: "P-82", name: name, control: true, status: http.StatusOK, do: func(w *trial) *page {
			form := url.Values{"grant_type": {"authorization_code"}, "code": {w.code(oddApp, nil)}, "redirect_uri": {callbackURI}, "code_verifier": {verifier}}
			return w.call(oddApp, oddSecret, form, change)
		}}
	}
	return []row{
		sent("Basic with a urlencoded secret", func(r *http.Request, _ url.Values) { r.SetBasicAuth(oddApp, url.QueryEscape(oddSecret)) }),
		sent("Basic with a secret as it is", func(*http.Request, url.Values) {}),
		sent("Basic and the same client_id in the form", func(_ *http.Request, f url.Values) { f.Set("client_id", oddApp) }),
		sent("Basic and an empty client_secret in the form", func(_ *http.Request, f url.Values) { f.Set("client_secret", "") }),
		sent("secret in the form", func(r *http.Request, f url.Values) {
			r.Header.Del("Authorization")
			f.Set("client_id", oddApp)
			f.Set("client_secret", oddSecret)
		}),
	}
}
