package oidc

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/signet-broker/signet/providers"
)

// maxParam is the most bytes that a parameter of a callback may have; the longest codes seen are below 3 KB.
const maxParam = 8 << 10

// Continue takes the upstream's answer that came through the browser, trades the code in, and says who the
// person is. Everything that a forger could have written is refused before the code goes anywhere.
func (p *provider) Continue(ctx context.Context, a *providers.Attempt, r providers.Reply) (providers.Next, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mem, ok := recall(a)
	if !ok {
		return nil, providers.Refuse("state_invalid", "attempt %s was not begun", a.ID)
	}
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	code, err := p.readCallback(m, a, r)
	if err != nil {
		return nil, err
	}
	p.keys.warm(ctx)
	tokens, err := p.exchange(ctx, m, code, mem.Verifier)
	if err != nil {
		return nil, err
	}
	person, err := p.readIDToken(ctx, tokens, expectation{attempt: a, issuer: m.Issuer, nonce: mem.Nonce, code: code})
	if err != nil {
		return nil, err
	}
	id := providers.Identity{Claims: person, Keep: p.options.Keep}
	if p.options.Person != nil {
		if id.Subject, err = p.options.Person(person, r); err != nil {
			return nil, err
		}
	}
	if p.conf.UserInfo {
		if err := p.addUserInfo(ctx, m, tokens.access, person); err != nil {
			return nil, err
		}
	}
	p.identify(&id, person)
	if p.conf.Logout && len(tokens.id) < maxHint {
		id.Memory = []byte(tokens.id)
	}
	return providers.Done{Identity: id}, nil
}

// readCallback returns the code of a callback that may be one (RFC 6749, section 4.1.2; RFC 9207).
func (p *provider) readCallback(m *metadata, a *providers.Attempt, r providers.Reply) (string, error) {
	// One that comes another way than it was asked for has been carried by somebody.
	want := http.MethodGet
	if p.conf.ResponseMode == modeForm {
		want = http.MethodPost
	}
	if r.Method != want {
		return "", providers.Refuse("malformed", "callback by %.10q, want %s", r.Method, want)
	}
	for _, name := range []string{"state", "code", "iss", "error"} {
		// Two of one are two readings: some part before us may have checked the other.
		if v := r.Values[name]; len(v) > 1 || len(v) == 1 && len(v[0]) > maxParam {
			return "", providers.Refuse("malformed", "callback has %d %s parameters, or one too long", len(v), name)
		}
	}
	state, code, failure := r.Values.Get("state"), r.Values.Get("code"), r.Values.Get("error")
	switch {
	case state == "":
		return "", providers.Refuse("state_missing", "callback without state")
	case state != a.ID:
		return "", providers.Refuse("state_invalid", "callback of another attempt")
	}
	// Before the token request: after it, a code of the honest upstream would have gone to the wrong one.
	if err := p.checkIss(m, r.Values); err != nil {
		return "", err
	}
	switch {
	case failure != "" && code != "":
		return "", providers.Refuse("malformed", "callback with both code and error")
	case failure != "":
		return "", providers.Refuse("idp_error", "upstream answers %s", errorWord(failure))
	case code == "":
		return "", providers.Refuse("malformed", "callback without code")
	}
	return code, nil
}

func (p *provider) checkIss(m *metadata, v url.Values) error {
	iss, given := v["iss"]
	switch {
	case given && (len(iss) != 1 || !p.issued(iss[0], m.Issuer)):
		return providers.Refuse("iss_mismatch", "callback is from another issuer")
	case !given && m.IssParam:
		return providers.Refuse("iss_mismatch", "callback without iss, which this upstream always sends")
	}
	return nil
}

var word = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// errorWord returns an OAuth error code that is fit for a log; whatever else a stranger wrote is not.
func errorWord(s string) string {
	if word.MatchString(s) {
		return s
	}
	return "an error without a usable code"
}

// identify adds to id what the claims say of a person in the broker's terms.
func (p *provider) identify(id *providers.Identity, c claims) {
	id.AuthTime = p.env.Now()
	switch sub, _ := c["sub"].(string); id.Subject {
	case "":
		id.Subject = sub
	case sub:
	default:
		id.Handle = sub
	}
	id.ACR, _ = c["acr"].(string)
	id.Session, _ = c["sid"].(string)
	if at, ok := p.authTime(c); ok && at.Before(id.AuthTime) {
		id.AuthTime = at.Round(time.Second)
	}
	if list, ok := c["amr"].([]any); ok {
		for _, v := range list {
			if s, ok := v.(string); ok {
				id.AMR = append(id.AMR, s)
			}
		}
	}
}
