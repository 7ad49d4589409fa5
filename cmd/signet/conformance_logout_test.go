package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/html"
)

// TestConformanceRPInitiatedLogout is the plan oidcc-rp-initiated-logout-certification-test-plan.
func TestConformanceRPInitiatedLogout(t *testing.T) {
	s := newSuite(t, withSuite)
	refused := func(change func(m *module, r result, q url.Values)) func(*module) {
		return func(m *module) {
			r, q := m.leaving()
			change(m, r, q)
			m.shown(m.leave(q))
			m.in()
		}
	}
	s.run(t, []testModule{
		{"oidcc-rp-initiated-logout-discovery-endpoint-verification", func(m *module) { m.endpoints(m.discovery(), "end_session_endpoint") }},
		{"oidcc-rp-initiated-logout", func(m *module) {
			_, q := m.leaving()
			m.back(m.leave(q), url.Values{"state": {q.Get("state")}})
			m.out()
		}},
		{"oidcc-rp-initiated-logout-no-state", func(m *module) {
			_, q := m.leaving()
			q.Del("state")
			m.back(m.leave(q), url.Values{})
			m.out()
		}},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", func(m *module) {
			_, q := m.leaving()
			q.Del("post_logout_redirect_uri")
			m.signedOut(m.leave(q))
		}},
		{"oidcc-rp-initiated-logout-no-params", func(m *module) { m.leaving(); m.confirms(url.Values{}) }},
		{"oidcc-rp-initiated-logout-only-state", func(m *module) { m.leaving(); m.confirms(url.Values{"state": {"only"}}) }},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", refused(func(_ *module, _ result, q url.Values) {
			q.Set("post_logout_redirect_uri", "https://app.example.com/NKZLWAGBPQ")
		})},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", refused(func(_ *module, _ result, q url.Values) {
			q.Set("post_logout_redirect_uri", afterLogout+"?foo=bar")
		})},
		{"oidcc-rp-initiated-logout-no-id-token-hint", refused(func(_ *module, _ result, q url.Values) { q.Del("id_token_hint") })},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", refused(func(_ *module, r result, q url.Values) {
			part := strings.Split(r.tokens.ID, ".")
			q.Set("id_token_hint", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))+"."+part[1]+".")
		})},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", refused(func(m *module, r result, q url.Values) {
			d := &draft{appKeys()["rs"], map[jose.HeaderKey]any{}, r.claims}
			q.Set("id_token_hint", d.sign())
		})},
	})
}

// leaving signs somebody in, and is the request by which the app then signs them out.
func (m *module) leaving() (result, url.Values) {
	m.t.Helper()
	r := m.flow(nil)
	return r, url.Values{"id_token_hint": {r.tokens.ID}, "post_logout_redirect_uri": {afterLogout}, "state": {"st&" + r.id.Nonce}}
}

// leave opens the end session endpoint.
func (m *module) leave(q url.Values) *page {
	m.t.Helper()
	return m.browser.get("/logout?" + q.Encode())
}

// back holds where the browser is sent against the registered address, with want and nothing more. The page on
// the way there tells other apps first (OpenID Connect Front-Channel Logout §2).
func (m *module) back(p *page, want url.Values) {
	m.t.Helper()
	to := ""
	if p.location != nil {
		to = p.location.String()
	} else if next := p.find(func(n *html.Node) bool { return n.Data == "meta" && attribute(n, "http-equiv") == "refresh" }); next != nil {
		_, to, _ = strings.Cut(attribute(next, "content"), "url=")
	}
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, afterLogout) || u.Query().Encode() != want.Encode() {
		m.t.Errorf("after the sign-out: %q, want %s with %v: %v", to, afterLogout, want, p)
	}
}

// signedOut is the page that says so, from where nobody is sent to an app.
func (m *module) signedOut(p *page) {
	m.t.Helper()
	if p.status != http.StatusOK || p.location != nil || !p.has("logged-out") || strings.Contains(p.body, "refresh") {
		m.t.Errorf("signed out = %v", p)
	}
	m.out()
}

// confirms signs out where another site could have sent the browser: the person is asked first.
func (m *module) confirms(q url.Values) {
	m.t.Helper()
	p := m.leave(q)
	if p.status != http.StatusOK || !p.has("confirm") {
		m.t.Fatalf("not asked: %v", p)
	}
	m.in()
	action, form := p.form()
	form.Set("confirm", "yes")
	m.signedOut(m.browser.post(action, form))
}

// silent asks whether the person is signed in.
func (m *module) silent() (url.Values, *page) {
	q := m.request(url.Values{"prompt": {"none"}})
	return q, m.open(q)
}

func (m *module) in() {
	m.t.Helper()
	q, p := m.silent()
	m.answer(q, p, "code")
}

func (m *module) out() {
	m.t.Helper()
	q, p := m.silent()
	if got := m.refusal(q, p); got != "login_required" {
		m.t.Errorf("after the sign-out: %s", got)
	}
}

// TestConformanceBackchannelLogout is the plan oidcc-backchannel-rp-initiated-logout-certification-test-plan.
func TestConformanceBackchannelLogout(t *testing.T) {
	r, receivers := newReceiver(t)
	s := newSuite(t, receivers, withSuite)
	r.trust(s.world)
	s.telling()
	s.run(t, []testModule{
		{"oidcc-backchannel-logout-discovery-endpoint-verification", func(m *module) {
			doc := m.discovery()
			m.endpoints(doc, "end_session_endpoint")
			if doc["backchannel_logout_supported"] != true || doc["backchannel_logout_session_supported"] != true {
				m.t.Errorf("discovery says %v, %v", doc["backchannel_logout_supported"], doc["backchannel_logout_session_supported"])
			}
		}},
		{"oidcc-backchannel-rp-initiated-logout", func(m *module) {
			p := m.world.person("globex", "ann", webApp)
			m.browser = p.browser
			m.back(p.leave(nil), url.Values{"state": {"x&y"}})
			m.until("the app is told", func() bool { return slices.Contains(r.sessions(webApp), p.sid) })
			r.mu.Lock()
			token := r.got[webApp][len(r.got[webApp])-1]
			r.mu.Unlock()
			if token.Subject != p.sub || token.TokenID == "" {
				m.t.Errorf("logout token %+v", token)
			}
			m.out()
		}},
	})
}

// TestConformanceFrontchannelLogout is the plan oidcc-frontchannel-rp-initiated-logout-certification-test-plan.
func TestConformanceFrontchannelLogout(t *testing.T) {
	s := newSuite(t, withSuite)
	s.run(t, []testModule{
		{"oidcc-frontchannel-logout-discovery-endpoint-verification", func(m *module) {
			doc := m.discovery()
			m.endpoints(doc, "end_session_endpoint")
			if doc["frontchannel_logout_supported"] != true || doc["frontchannel_logout_session_supported"] != true {
				m.t.Errorf("discovery says %v, %v", doc["frontchannel_logout_supported"], doc["frontchannel_logout_session_supported"])
			}
		}},
		{"oidcc-frontchannel-rp-initiated-logout", func(m *module) {
			r, q := m.leaving()
			p := m.leave(q)
			frame := p.find(func(n *html.Node) bool { return n.Data == "iframe" })
			if frame == nil {
				m.t.Fatalf("no frame: %v", p)
			}
			u, err := url.Parse(attribute(frame, "src"))
			if err != nil || !strings.HasPrefix(u.String(), suiteOut+"?") || u.Query().Get("iss") != m.URL || u.Query().Get("sid") != r.claims["sid"] || len(u.Query()) != 2 {
				m.t.Errorf("frame %s", u)
			}
			m.back(p, url.Values{"state": {q.Get("state")}})
			m.out()
		}},
	})
}
