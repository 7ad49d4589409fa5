package op

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/internal/jwks"
)

// Terms are what registered apps may be and have: the operator's word, which holds for those too that are
// registered already.
type Terms struct {
	Open         bool     // no initial access token is needed
	Hosts        []string // where browsers may be sent to; see config.Registration. None: anywhere
	PerHour      int      // registrations without a token from one address
	Most         int      // apps that came without one
	Scopes       []string
	Grants       []string
	Providers    []string // none: all
	PKCEOptional bool     // for those with a secret
	Tokens       broker.Lifetimes
	Signing      string // of those that ask for nothing else
	Userinfo     string
	Certificates bool // callers are asked for one
	Authorities  bool // certificates of some authorities are taken

	Published func(uri string) broker.Keys // keys that an app publishes
	May       func(netip.Addr) error       // whether an address may be asked
	Client    *http.Client                 // for what is asked, within that
	Box       Box
}

// Box seals what must be had again (RFC 7518 §3.2 needs the secret itself).
type Box interface {
	Seal(purpose string, plaintext []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

func secretPurpose(id string) string { return "apps|secret|" + id }

// App returns a registered app as the core knows it: never more than the terms allow now. It is always somebody
// else's, so that people are asked.
func (t *Terms) App(row *broker.Registered) (*broker.App, error) {
	m, err := kept(row.Document)
	if err != nil {
		return nil, err
	}
	a := &broker.App{
		ID: row.ID, Name: row.Name, Names: m.Names, Registered: true, ThirdParty: true,
		RedirectURIs: m.RedirectURIs, PostLogoutRedirectURIs: m.PostLogoutRedirectURIs, InitiateLoginURI: m.InitiateLoginURI,
		BackchannelLogoutURI: m.BackchannelURI, FrontchannelLogoutURI: m.FrontchannelURI, RequestURIs: m.RequestURIs,
		Providers: t.Providers, PKCEOptional: t.PKCEOptional, Tokens: t.Tokens, Signing: m.IDTokenAlg, UserinfoSigning: m.UserinfoAlg,
		Grants: both(m.GrantTypes, t.Grants), Scopes: both(strings.Fields(m.Scope), t.Scopes), DPoPRequired: m.DPoPBound, CertificateBound: m.CertificateBound,
		Links: broker.Links{Site: m.ClientURI, Logo: m.LogoURI, Policy: m.PolicyURI, Terms: m.TermsURI}, DefaultACR: m.DefaultACR,
	}
	if a.UserinfoSigning == "" {
		a.UserinfoSigning = t.Userinfo
	}
	if len(a.Grants) == 0 {
		a.Grants = []string{"none"} // an empty list would stand for the usual ones
	}
	if m.SubjectType == typePairwise {
		if a.Sector = m.sector(); a.Sector == "" {
			return nil, fmt.Errorf("app %s has no sector", row.ID)
		}
	}
	if m.DefaultMaxAge != nil {
		age := time.Duration(*m.DefaultMaxAge) * time.Second
		a.DefaultMaxAge = &age
	}
	if row.SecretHash != nil {
		a.SecretHashes = [][]byte{row.SecretHash}
	}
	a.Credentials, err = t.credentials(row, &m)
	return a, err
}

// both are those of a list that another has too.
func both(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !slices.Contains(other, s) })
}

func (t *Terms) credentials(row *broker.Registered, m *Metadata) (broker.Credentials, error) {
	c := broker.Credentials{
		Method: m.TokenAuth, Algs: assertionAlgs, MustPush: m.MustPush, MustSign: m.MustSign,
		Certificate: broker.Subject{DN: m.TLSDN, DNS: m.TLSDNS, URI: m.TLSURI, IP: m.TLSIP, Email: m.TLSEmail},
	}
	if m.TokenAuthAlg != "" {
		c.Algs = []string{m.TokenAuthAlg}
	}
	c.RequestAlgs = assertionAlgs
	if m.RequestAlg != "" {
		c.RequestAlgs = []string{m.RequestAlg}
	}
	switch {
	case m.JWKS != nil:
		known, err := jwks.Fixed(m.JWKS)
		if err != nil {
			return c, err
		}
		c.Keys = known
	case m.JWKSURI != "":
		c.Keys = t.Published(m.JWKSURI)
	}
	if m.TokenAuth == broker.AuthSecretJWT {
		secret, err := t.Box.Open(secretPurpose(row.ID), row.Sealed)
		if err != nil {
			return c, err
		}
		c.Secrets = func() [][]byte { return [][]byte{secret} }
	}
	return c, nil
}
