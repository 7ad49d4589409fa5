package main

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-broker/signet/internal/egress"
	"github.com/signet-broker/signet/internal/idptest"
)

// socialNet are fakes of the well known upstreams, under their own names.
type socialNet struct {
	internet *idptest.Internet
	plain    map[string]*idptest.OAuth2 // by kind
	openID   map[string]*idptest.OIDC
	own      *idptest.OAuth2 // provider "own", of kind oauth2
}

// socialFakes are started once; they live as long as the tests.
var socialFakes = sync.OnceValues(func() (*socialNet, error) {
	n, err := idptest.StartInternet()
	if err != nil {
		return nil, err
	}
	own, err := idptest.StartOAuth2()
	if err != nil {
		return nil, err
	}
	opts := idptest.OIDCOptions{Now: time.Now}
	return &socialNet{
		internet: n, own: own,
		plain: map[string]*idptest.OAuth2{
			"github": n.GitHub(), "facebook": n.Facebook(), "linkedin": n.LinkedIn(), "amazon": n.Amazon(), "discord": n.Discord(),
		},
		openID: map[string]*idptest.OIDC{"gitlab": n.GitLab(opts), "slack": n.Slack(opts)},
	}, nil
})

const socialProviders = `
  - {id: own, kind: oauth2, name: Own, authorization_url: "OWN/authorize", token_url: "OWN/token", userinfo_url: "OWN/me", subject: data.user.id, client_id: signet, client_secret: globex-secret}
  - {id: github, kind: github, name: GitHub, client_id: signet, client_secret: globex-secret}
  - {id: github-acme, kind: github, name: GitHub, client_id: signet, client_secret: globex-secret, organizations: [acme], teams: true}
  - {id: github-teams, kind: github, name: GitHub, client_id: signet, client_secret: globex-secret, teams: true}
  - {id: gitlab, kind: gitlab, name: GitLab, client_id: signet, client_secret: globex-secret}
  - {id: facebook, kind: facebook, name: Facebook, client_id: signet, client_secret: globex-secret}
  - {id: linkedin, kind: linkedin, name: LinkedIn, client_id: signet, client_secret: globex-secret}
  - {id: amazon, kind: amazon, name: Amazon, client_id: signet, client_secret: globex-secret}
  - {id: discord, kind: discord, name: Discord, client_id: signet, client_secret: globex-secret}
  - {id: slack, kind: slack, name: Slack, client_id: signet, client_secret: globex-secret}
  - {id: slack-globex, kind: slack, name: Slack, client_id: signet, client_secret: globex-secret, teams: [T0GLOBEX1]}
`

// newSocialWorld is a world with a provider at each of them.
func newSocialWorld(t testing.TB, edit ...func(string) string) *world {
	t.Helper()
	s, err := socialFakes()
	if err != nil {
		t.Fatal(err)
	}
	add := func(config string) string {
		return config + strings.ReplaceAll(strings.TrimPrefix(socialProviders, "\n"), "OWN", s.own.URL)
	}
	return newWorldOn(t, egress.Options{Roots: s.internet.Roots, Route: s.internet.Route()}, append(edit, add)...)
}

// socialNet are the fakes of a world of newSocialWorld.
func (w *world) socialNet() *socialNet {
	w.t.Helper()
	s, err := socialFakes()
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// toSocial signs somebody in upstream and returns the way back, not yet gone.
func (b *browser) toSocial(provider, person string) *url.URL {
	b.w.t.Helper()
	p, s := b.authorize(webApp, url.Values{"provider": {provider}}), b.w.socialNet()
	kind, _, _ := strings.Cut(provider, "-")
	if f := s.openID[kind]; f != nil {
		return b.backFrom(p, f, person)
	}
	f := s.plain[kind]
	if provider == "own" {
		f = s.own
	}
	if p.location == nil {
		b.w.t.Fatalf("not sent to the upstream: %v", p)
	}
	back, err := f.SignIn(b.w.t.Context(), p.location.String(), person)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return back
}

// socialUser is what an app learns of somebody, and what they are called at their provider.
func (w *world) socialUser(provider, person string) (claims map[string]any, subject string) {
	w.t.Helper()
	b := w.browser()
	code := b.atApp(b.get(b.toSocial(provider, person).String())).Get("code")
	decodeClaims(w.t, w.redeem(webApp, code, nil).ID, &claims)
	return claims, (&trial{world: w}).subject(claims["sub"].(string))
}

func TestSignInAtWellKnownUpstreams(t *testing.T) {
	w := newSocialWorld(t)
	w.db() // open for as long as the world is
	for _, c := range []struct {
		provider, person, subject, email, groups string
		verified                                 any
	}{
		{"own", "ann", "9007199254740991", "ann@globex.example", "", nil},
		{"own", "bob", "9007199254740992", "bob@globex.example", "", nil},
		{"own", "eve", "9007199254740993", "eve@globex.example", "", nil},
		{"github", "ann", "9007199254740991", "ann@globex.example", "", true},
		{"github", "eve", "9007199254740993", "", "", nil},
		{"github-acme", "ann", "9007199254740991", "ann@globex.example", `["Acme/platform"]`, true},
		{"github-teams", "ann", "9007199254740991", "ann@globex.example", `["Acme/platform","elsewhere/owners"]`, true},
		{"gitlab", "ann", "ann", "ann@globex.example", `["staff","admins"]`, true},
		{"facebook", "ann", "9007199254740991", "ann@globex.example", "", nil},
		{"linkedin", "ann", "li-ann", "ann@globex.example", "", true},
		{"linkedin", "eve", "li-eve", "eve@globex.example", "", false},
		{"amazon", "ann", "amzn1.account.ANN", "ann@globex.example", "", nil},
		{"discord", "ann", "9007199254740991", "ann@globex.example", "", true},
		{"discord", "eve", "9007199254740993", "eve@globex.example", "", false},
		{"slack", "ann", "T0GLOBEX1/ann", "ann@globex.example", "", nil},
		{"slack", "eve", "T0OTHER22/eve", "eve@elsewhere.example", "", nil},
		{"slack-globex", "ann", "T0GLOBEX1/ann", "ann@globex.example", "", true},
	} {
		t.Run(c.provider+" "+c.person, func(t *testing.T) {
			defer func(was testing.TB) { w.t = was }(w.t)
			w.t = t
			claims, subject := w.socialUser(c.provider, c.person)
			email, _ := claims["email"].(string)
			if subject != c.subject || email != c.email {
				t.Errorf("subject %q, email %q; want %q, %q", subject, email, c.subject, c.email)
			}
			if got := claims["email_verified"]; got != c.verified && (c.verified != nil || got != false) {
				t.Errorf("email_verified = %v, want %v", got, c.verified)
			}
			groups := ""
			if claims["groups"] != nil {
				text, _ := json.Marshal(claims["groups"])
				groups = string(text)
			}
			if groups != c.groups {
				t.Errorf("groups = %s, want %s", groups, c.groups)
			}
		})
	}
}

// What editors are told of the configuration knows every kind that there is.
func TestEveryKindHasASchema(t *testing.T) {
	text, err := os.ReadFile("../../config/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name := range kinds(nil) {
		if !strings.Contains(string(text), `"provider-`+name+`"`) {
			t.Errorf("config/schema.json does not know the kind %s", name)
		}
	}
}
