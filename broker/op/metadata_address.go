package op

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/internal/jwks"
	"github.com/signet-broker/signet/internal/redirect"
)

// The values of application_type (OpenID Connect Registration 1.0 §2) and of subject_type.
const (
	typeWeb      = "web"
	typeNative   = "native"
	typePublic   = "public"
	typePairwise = "pairwise"
)

// redirects checks where logins may end. Who says no type is what its addresses say.
func (t *Terms) redirects(m *Metadata) error {
	m.RedirectURIs = unique(m.RedirectURIs)
	if m.ApplicationType == "" {
		m.ApplicationType = typeWeb
		if len(m.RedirectURIs) > 0 && !slices.ContainsFunc(m.RedirectURIs, func(uri string) bool { return strings.HasPrefix(uri, "https:") }) {
			m.ApplicationType = typeNative
		}
	}
	if m.ApplicationType != typeWeb && m.ApplicationType != typeNative {
		return badMetadata("application_type must be web or native")
	}
	if codes := slices.Contains(m.GrantTypes, "authorization_code"); codes == (len(m.RedirectURIs) == 0) {
		return oauth("invalid_redirect_uri", "redirect_uris goes with the grant type authorization_code")
	}
	for _, uri := range m.RedirectURIs {
		if problem := t.redirectProblem(uri, m.ApplicationType); problem != "" {
			return oauth("invalid_redirect_uri", "a redirect URI %s", problem)
		}
	}
	for _, uri := range m.PostLogoutRedirectURIs {
		if problem := t.redirectProblem(uri, m.ApplicationType); problem != "" {
			return badMetadata("post_logout_redirect_uris: one %s", problem)
		}
	}
	return nil
}

// redirectProblem says what is wrong with an address that browsers are to be sent to.
func (t *Terms) redirectProblem(uri, kind string) string {
	problem := redirect.Problem(uri, kind == typeNative)
	switch {
	case problem != "":
		return problem
	case kind == typeWeb && !strings.HasPrefix(uri, "https://"):
		return "must begin with https://, as the application_type is web"
	case !t.welcome(uri):
		return "is where no registered app may be"
	}
	return ""
}

// welcome tells whether registered apps may be at an address.
func (t *Terms) welcome(uri string) bool {
	u, _ := redirect.Parse(uri)
	if len(t.Hosts) == 0 {
		return true
	}
	if u == nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return slices.ContainsFunc(t.Hosts, func(pattern string) bool {
		switch {
		case u.Scheme != "https" && u.Scheme != "http":
			return pattern == strings.ToLower(u.Scheme)+":"
		case u.Scheme == "http" || redirect.Loopback(host):
			return pattern == "loopback"
		case strings.HasPrefix(pattern, "*."):
			return strings.HasSuffix(host, pattern[1:])
		}
		return pattern == "*" || pattern == host
	})
}

// pages checks what people are shown, or sent to, that no login ends at.
func (t *Terms) pages(m *Metadata) error {
	for name, uri := range map[string]string{
		"client_uri": m.ClientURI, "logo_uri": m.LogoURI, "policy_uri": m.PolicyURI, "tos_uri": m.TermsURI, "initiate_login_uri": m.InitiateLoginURI,
	} {
		if uri != "" && !isPage(uri) {
			return badMetadata("%s must be a page at https://", name)
		}
	}
	if m.InitiateLoginURI != "" && !t.welcome(m.InitiateLoginURI) {
		return badMetadata("initiate_login_uri is where no registered app may be")
	}
	for _, uri := range m.RequestURIs {
		if before, _, _ := strings.Cut(uri, "#"); t.fetchProblem(before) != "" {
			return badMetadata("request_uris must be public addresses at https://")
		}
	}
	return nil
}

func isPage(uri string) bool {
	u, problem := redirect.Parse(uri)
	return problem == "" && u.Scheme == "https" && u.Fragment == "" && len(uri) <= maxURI
}

// fetchProblem says what is wrong with an address that is asked from here. A name is looked at again when it is
// dialled: it may lead anywhere by then.
func (t *Terms) fetchProblem(uri string) string {
	u, problem := redirect.Parse(uri)
	switch {
	case problem != "":
		return problem
	case len(uri) > maxURI, u.Fragment != "", u.Scheme != "https" && !(u.Scheme == "http" && redirect.Loopback(u.Hostname())):
		return "must begin with https://"
	}
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	if addr, err := netip.ParseAddr(host); err == nil && t.May(addr) != nil {
		return "is at an address that is not public"
	}
	return ""
}

// logout checks where the app is told of ended sessions.
func (t *Terms) logout(m *Metadata) error {
	if m.BackchannelURI != "" && t.fetchProblem(m.BackchannelURI) != "" {
		return badMetadata("backchannel_logout_uri must be a public address at https://")
	}
	same := func(uri string) bool { return redirect.Origin(uri) == redirect.Origin(m.FrontchannelURI) }
	if m.FrontchannelURI != "" && (!isPage(m.FrontchannelURI) || !slices.ContainsFunc(m.RedirectURIs, same)) {
		return badMetadata("frontchannel_logout_uri must have the scheme, host and port of one of redirect_uris")
	}
	return nil
}

// keys checks the app's public keys. None is fetched before it is needed.
func (t *Terms) keys(m *Metadata) error {
	switch {
	case m.JWKS != nil && m.JWKSURI != "":
		return badMetadata("jwks and jwks_uri are both given") // RFC 7591 §2
	case m.JWKSURI != "":
		if problem := t.fetchProblem(m.JWKSURI); problem != "" {
			return badMetadata("jwks_uri %s", problem)
		}
	case m.JWKS != nil:
		if _, err := jwks.Fixed(m.JWKS); err != nil {
			return badMetadata("jwks is no set of public keys").because(err)
		}
		return public(m.JWKS)
	}
	return nil
}

// public refuses keys that are not for others to see: they would be kept, and shown.
func public(set json.RawMessage) error {
	var all struct{ Keys []map[string]json.RawMessage }
	var doc map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(set, &doc), json.Unmarshal(doc["keys"], &all.Keys)); err != nil {
		return badMetadata("jwks is no set of public keys").because(err)
	}
	for _, key := range all.Keys {
		for _, private := range []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth"} {
			if key[private] != nil {
				return badMetadata("jwks has a key that is not public")
			}
		}
	}
	return nil
}

// subject checks by what the app knows people (OpenID Connect Core §8.1). Who shares the subs of a sector must
// be named by its own host.
func (t *Terms) subject(ctx context.Context, m *Metadata) error {
	if m.SubjectType == "" {
		m.SubjectType = typePublic
	}
	if m.SubjectType != typePublic && m.SubjectType != typePairwise {
		return badMetadata("subject_type must be public or pairwise")
	}
	if m.SubjectType == typePairwise && slices.Contains(m.GrantTypes, deviceCode) {
		// No redirect URI has to be its own for it to get a device's tokens: it could take any sector for its.
		return badMetadata("subject_type pairwise does not go with devices")
	}
	if m.SectorURI == "" {
		if m.SubjectType == typePairwise && m.sector() == "" {
			return badMetadata("subject_type pairwise needs redirect_uris of one host, or sector_identifier_uri")
		}
		return nil
	}
	if problem := t.fetchProblem(m.SectorURI); problem != "" {
		return badMetadata("sector_identifier_uri %s", problem)
	}
	list, err := t.sectorList(ctx, m.SectorURI)
	if err != nil {
		return badMetadata("sector_identifier_uri gives no JSON array of redirect URIs").because(err)
	}
	for _, uri := range m.RedirectURIs {
		if !slices.Contains(list, uri) {
			return badMetadata("sector_identifier_uri does not name every redirect URI")
		}
	}
	return nil
}

// sector is the host whose apps share their subs; "" when there is none that names one app alone.
func (m *Metadata) sector() string {
	from := m.RedirectURIs
	if m.SectorURI != "" {
		from = []string{m.SectorURI}
	}
	hosts := redirect.Hosts(from)
	own := slices.ContainsFunc(from, func(uri string) bool { return !redirect.OverHTTP(uri) })
	if len(hosts) != 1 || own || m.SectorURI == "" && redirect.Loopback(hosts[0]) {
		return ""
	}
	return hosts[0]
}

// sectorList fetches the redirect URIs of a sector's apps.
func (t *Terms) sectorList(ctx context.Context, uri string) (list []string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := t.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return list, json.Unmarshal(body, &list)
}
