package oidc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-broker/signet/providers"
)

// ownNonce begins the nonces of our logins. Their ID tokens go through browsers again at a sign-out, as a hint: who
// finds one must not be able to exchange it.
const ownNonce = "signet-"

// memory is what Begin leaves for Continue in Attempt.State.
type memory struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // RFC 7636
}

// recall returns what Begin left; ok is false when a was not begun here.
func recall(a *providers.Attempt) (m memory, ok bool) {
	err := json.Unmarshal(a.State, &m)
	return m, err == nil && m.Nonce != "" && m.Verifier != ""
}

// Begin sends the person to the upstream's authorization endpoint. PKCE and nonce go with it whatever the
// upstream says it supports: one that does not know them ignores them, and a metadata document that was
// tampered with cannot take them away.
func (p *provider) Begin(ctx context.Context, a *providers.Attempt) (providers.Next, error) {
	m, err := p.metadata.Get(ctx) // waits no longer than a fetch takes
	if err != nil {
		return nil, err
	}
	mem := memory{Nonce: ownNonce + rand.Text(), Verifier: oauth2.GenerateVerifier()}
	if a.State, err = json.Marshal(mem); err != nil {
		return nil, providers.AsError(fmt.Errorf("remember attempt: %w", err))
	}
	p.keys.Warm(ctx)
	options := append(p.wishes(a, m), gooidc.Nonce(mem.Nonce))
	if !p.options.NoPKCE {
		options = append(options, oauth2.S256ChallengeOption(mem.Verifier))
	}
	return providers.Redirect{URL: m.client.AuthCodeURL(a.ID, options...)}, nil
}

// wishes are the parameters by which the attempt and the configuration shape the login (OpenID Connect Core
// 1.0, section 3.1.2.1).
func (p *provider) wishes(a *providers.Attempt, m *metadata) []oauth2.AuthCodeOption {
	options := make([]oauth2.AuthCodeOption, 0, 8+len(p.conf.Params))
	set := func(name, value string) {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	if p.conf.ResponseMode == modeForm {
		set("response_mode", modeForm)
	}
	prompt := strings.Fields(p.conf.Prompt)
	switch {
	case a.ForceLogin:
		prompt = with(prompt, "login")
		set("max_age", "0")
	case p.maxAge(a) > 0:
		set("max_age", strconv.Itoa(int(p.maxAge(a)/time.Second)))
	}
	if a.SelectUser && !a.ForceLogin { // whoever must sign in again can be somebody else
		prompt = with(prompt, "select_account")
	}
	set("prompt", strings.Join(prompt, " "))
	set("acr_values", strings.Join(p.contexts(a, m), " "))
	set("ui_locales", strings.Join(a.Locales[:min(len(a.Locales), 5)], " "))
	if len(a.LoginHint) <= 320 {
		set("login_hint", a.LoginHint)
	}
	for name, value := range p.conf.Params {
		set(name, value)
	}
	return options
}

// contexts are the authentication contexts that the upstream is asked for: those that the configuration insists
// on, or what the app would like of those that the upstream says it knows. Some refuse a login for a value that
// is none of theirs.
func (p *provider) contexts(a *providers.Attempt, m *metadata) []string {
	if len(p.conf.ACRValues) > 0 {
		return p.conf.ACRValues
	}
	var known []string
	for _, acr := range a.ACR {
		if slices.Contains(m.ACRValues, acr) {
			known = append(known, acr)
		}
	}
	return known
}

// maxAge is how old the authentication may be, by the attempt and the configuration; 0: any age.
func (p *provider) maxAge(a *providers.Attempt) time.Duration {
	if p.conf.MaxAge > 0 && (a.MaxAge == 0 || p.conf.MaxAge < a.MaxAge) {
		return p.conf.MaxAge
	}
	return a.MaxAge
}

func with(words []string, word string) []string {
	if slices.Contains(words, word) {
		return words
	}
	return append(words, word)
}
