package op

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
)

// What a registration may have at most.
const (
	maxRegisteredURIs = 50
	maxURI            = 2000 // bytes
	maxText           = 200  // characters of what people read, bytes of what they do not
	maxNames          = 20
	maxContacts       = 10
)

// check holds metadata against what registered apps may have. Where it can be less, it is made less (RFC 7591
// §3.2.1: the answer says what is in force); what would be something else is refused.
func (t *Terms) check(ctx context.Context, m *Metadata) error {
	for _, check := range []func(*Metadata) error{sizes, t.grants, t.redirects, t.pages, t.scopes, t.algorithms, t.authentication, t.logout} {
		if err := check(m); err != nil {
			return err
		}
	}
	return t.subject(ctx, m) // last, for it may go out
}

// sizes bounds what is kept.
func sizes(m *Metadata) error {
	for _, list := range [][]string{m.RedirectURIs, m.PostLogoutRedirectURIs, m.RequestURIs} {
		if len(list) > maxRegisteredURIs {
			return badMetadata("more than %d addresses", maxRegisteredURIs)
		}
		for _, uri := range list {
			if len(uri) > maxURI {
				return oauth("invalid_redirect_uri", "an address is longer than %d bytes", maxURI)
			}
		}
	}
	short := []string{m.SoftwareID, m.SoftwareVersion, m.TLSDN, m.TLSDNS, m.TLSURI, m.TLSIP, m.TLSEmail}
	short = append(append(short, m.Contacts...), m.DefaultACR...)
	for _, name := range m.Names {
		short = append(short, name)
	}
	for _, text := range append(short, m.Name) {
		if !readable(text) {
			return badMetadata("a text is longer than %d, or has characters that nobody sees", maxText)
		}
	}
	if len(m.Contacts) > maxContacts || len(m.DefaultACR) > maxACR {
		return badMetadata("more than %d contacts or %d default_acr_values", maxContacts, maxACR)
	}
	if m.DefaultMaxAge != nil && (*m.DefaultMaxAge < 0 || *m.DefaultMaxAge > maxMaxAge) {
		return badMetadata("default_max_age must be a number of seconds")
	}
	return nil
}

// readable tells whether people see all of a text: what turns its direction, or is no character at all, could
// make one name look like another.
func readable(text string) bool {
	return len(text) <= 4*maxText && len([]rune(text)) <= maxText && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsPrint(r) || r == unicode.ReplacementChar
	})
}

// grants reads the grant types, and the response types that go with them.
func (t *Terms) grants(m *Metadata) error {
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{"authorization_code"}
	}
	for _, g := range m.GrantTypes {
		if !slices.Contains(t.Grants, g) {
			return badMetadata("grant_types may be %s", strings.Join(t.Grants, ", "))
		}
	}
	m.GrantTypes = unique(m.GrantTypes)
	codes := slices.Contains(m.GrantTypes, "authorization_code")
	for _, r := range m.ResponseTypes {
		if r != "code" || !codes {
			return badMetadata("response_types may be code, with the grant type authorization_code")
		}
	}
	m.ResponseTypes = nil
	if codes {
		m.ResponseTypes = []string{"code"}
	} else if slices.Equal(m.GrantTypes, []string{"refresh_token"}) {
		return badMetadata("no grant type begins anything")
	}
	return nil
}

// unique leaves out what is there already.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// scopes makes the scope what the app may ask for.
func (t *Terms) scopes(m *Metadata) error {
	scope := slices.Clone(t.Scopes)
	if asked := strings.Fields(clip(m.Scope, maxScope)); len(asked) > 0 {
		scope = slices.DeleteFunc(unique(asked), func(s string) bool { return !slices.Contains(t.Scopes, s) })
		if len(scope) == 0 {
			return badMetadata("scope has none of those that a registered app may ask for")
		}
	}
	m.Scope = strings.Join(scope, " ")
	return nil
}

// algorithms checks what is signed, and by what. Nothing goes out without a signature that should have one.
func (t *Terms) algorithms(m *Metadata) error {
	if m.IDTokenAlg == "" {
		m.IDTokenAlg = t.Signing
	}
	for name, alg := range map[string]string{"id_token_signed_response_alg": m.IDTokenAlg, "userinfo_signed_response_alg": m.UserinfoAlg} {
		if alg != "" && !slices.Contains(keys.Algorithms, alg) {
			return badMetadata("%s must be one of %s", name, strings.Join(keys.Algorithms, ", "))
		}
	}
	if m.AnswerAlg != "" && m.AnswerAlg != m.IDTokenAlg {
		return badMetadata("authorization_signed_response_alg must be id_token_signed_response_alg")
	}
	if m.RequestAlg != "" && !slices.Contains(assertionAlgs, m.RequestAlg) {
		return badMetadata("request_object_signing_alg must be one of %s", strings.Join(assertionAlgs, ", "))
	}
	return nil
}

// assertionAlgs are what apps may sign with.
var assertionAlgs = []string{"PS256", "ES256", "EdDSA", "RS256"}

// hasSecret tells whether an app of this metadata has a client secret.
func (m *Metadata) hasSecret() bool { return strings.HasPrefix(m.TokenAuth, "client_secret_") }

// authentication checks how the app proves who it is.
func (t *Terms) authentication(m *Metadata) error {
	if m.TokenAuth == "" {
		m.TokenAuth = broker.AuthBasic // RFC 7591 §2
	}
	if err := t.keys(m); err != nil {
		return err
	}
	hasKeys := m.JWKS != nil || m.JWKSURI != ""
	want := assertionAlgs
	switch m.TokenAuth {
	case broker.AuthBasic, broker.AuthPost:
	case broker.AuthSecretJWT:
		want = []string{"HS256"}
	case broker.AuthPrivateKey:
		if !hasKeys {
			return badMetadata("private_key_jwt needs jwks or jwks_uri")
		}
	case broker.AuthTLS, broker.AuthSelfSigned:
		if err := t.certificate(m, hasKeys); err != nil {
			return err
		}
	case broker.AuthNone:
		if slices.Contains(m.GrantTypes, clientCredentials) || m.CertificateBound {
			return badMetadata("an app that proves nothing has nothing of its own")
		}
	default:
		return badMetadata("token_endpoint_auth_method is none of those that are supported")
	}
	if m.TokenAuthAlg != "" && !slices.Contains(want, m.TokenAuthAlg) {
		return badMetadata("token_endpoint_auth_signing_alg must be one of %s", strings.Join(want, ", "))
	}
	if !strings.HasSuffix(m.TokenAuth, "_jwt") {
		m.TokenAuthAlg = ""
	}
	if m.MustSign && !hasKeys {
		return badMetadata("require_signed_request_object needs jwks or jwks_uri")
	}
	if m.CertificateBound && !t.Certificates {
		return badMetadata("nobody is asked for a certificate here")
	}
	return nil
}

// certificate checks by what certificate an app proves itself (RFC 8705 §2).
func (t *Terms) certificate(m *Metadata, hasKeys bool) error {
	names := slices.DeleteFunc([]string{m.TLSDN, m.TLSDNS, m.TLSURI, m.TLSIP, m.TLSEmail}, func(s string) bool { return s == "" })
	switch {
	case !t.Certificates, m.TokenAuth == broker.AuthTLS && !t.Authorities:
		return badMetadata("%s is not possible here", m.TokenAuth)
	case m.TokenAuth == broker.AuthTLS && len(names) != 1:
		return badMetadata("tls_client_auth needs one tls_client_auth_ member")
	case m.TokenAuth == broker.AuthSelfSigned && !hasKeys:
		return badMetadata("self_signed_tls_client_auth needs jwks or jwks_uri")
	}
	return nil
}
