package op

import (
	"encoding/json"
	"net/http"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/keys"
	"github.com/signet-broker/signet/broker/token"
)

// metadata is what apps can learn about this provider (OpenID Connect Discovery §3, RFC 8414).
type metadata struct {
	Issuer              string   `json:"issuer"`
	Authorization       string   `json:"authorization_endpoint"`
	Token               string   `json:"token_endpoint"`
	Userinfo            string   `json:"userinfo_endpoint"`
	JWKS                string   `json:"jwks_uri"`
	Revocation          string   `json:"revocation_endpoint"`
	Device              string   `json:"device_authorization_endpoint"`
	Introspection       string   `json:"introspection_endpoint"`
	EndSession          string   `json:"end_session_endpoint"`
	Registration        string   `json:"registration_endpoint,omitempty"`
	Scopes              []string `json:"scopes_supported"`
	ResponseTypes       []string `json:"response_types_supported"`
	ResponseModes       []string `json:"response_modes_supported"`
	GrantTypes          []string `json:"grant_types_supported"`
	Subjects            []string `json:"subject_types_supported"`
	IDTokenAlgs         []string `json:"id_token_signing_alg_values_supported"`
	UserinfoAlgs        []string `json:"userinfo_signing_alg_values_supported"`
	TokenAuth           []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuth      []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuth   []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs   []string `json:"introspection_signing_alg_values_supported"`
	ProofAlgs           []string `json:"dpop_signing_alg_values_supported"`
	CertificateBound    bool     `json:"tls_client_certificate_bound_access_tokens"`
	Challenges          []string `json:"code_challenge_methods_supported"`
	Prompts             []string `json:"prompt_values_supported"`
	Claims              []string `json:"claims_supported"`
	Locales             []string `json:"ui_locales_supported"`
	Iss                 bool     `json:"authorization_response_iss_parameter_supported"`
	ClaimsParameter     bool     `json:"claims_parameter_supported"`
	RequestParameter    bool     `json:"request_parameter_supported"`
	RequestURIParameter bool     `json:"request_uri_parameter_supported"`
	RegisteredURIs      bool     `json:"require_request_uri_registration"`
	Pushed              string   `json:"pushed_authorization_request_endpoint"`
	TokenAuthAlgs       []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RequestAlgs         []string `json:"request_object_signing_alg_values_supported"`
	AnswerAlgs          []string `json:"authorization_signing_alg_values_supported"`
	Backchannel         bool     `json:"backchannel_logout_supported"`
	BackchannelSession  bool     `json:"backchannel_logout_session_supported"`
	Frontchannel        bool     `json:"frontchannel_logout_supported"`
	FrontchannelSession bool     `json:"frontchannel_logout_session_supported"`
}

func (p *Provider) describe() error {
	auth := []string{broker.AuthBasic, broker.AuthPost, broker.AuthSecretJWT, broker.AuthPrivateKey, broker.AuthTLS, broker.AuthSelfSigned, broker.AuthNone}
	algs := assertionAlgs
	registration := ""
	if p.Registers {
		registration = p.Site.URL("/register")
	}
	var grants []string
	for _, g := range p.Grants {
		grants = append(grants, g.Type())
	}
	var err error
	p.discovery, err = json.Marshal(metadata{
		Issuer:        p.Issuer.URL,
		Authorization: p.Site.URL("/authorize"), Token: p.Site.URL("/token"), Userinfo: p.Site.URL("/userinfo"),
		JWKS: p.Site.URL("/jwks"), Revocation: p.Site.URL("/revoke"), Introspection: p.Site.URL("/introspect"), EndSession: p.Site.URL("/logout"),
		Registration: registration, UserinfoAlgs: keys.Algorithms,
		Scopes: token.Scopes, ResponseTypes: []string{"code"}, ResponseModes: []string{"query", "form_post", "jwt", "query.jwt", "form_post.jwt"},
		Device: p.Site.URL("/device_authorization"), Pushed: p.Site.URL("/par"), AnswerAlgs: keys.Algorithms, RequestAlgs: algs, TokenAuthAlgs: append(algs[:len(algs):len(algs)], "HS256"),
		RequestParameter: true, ClaimsParameter: true, RequestURIParameter: p.ByReference, RegisteredURIs: true,
		GrantTypes: grants, Subjects: []string{"public", "pairwise"}, IDTokenAlgs: keys.Algorithms,
		TokenAuth: auth, RevocationAuth: auth,
		IntrospectionAuth: []string{"client_secret_basic", "client_secret_post"}, IntrospectionAlgs: keys.Algorithms, ProofAlgs: proofAlgorithms, CertificateBound: true,
		Challenges: []string{"S256"},
		Prompts:    []string{"none", "login", "consent", "select_account"},
		Claims: []string{
			"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "at_hash", "name", "given_name", "family_name",
			"preferred_username", "picture", "locale", "updated_at", "email", "email_verified", "phone_number", "phone_number_verified", "address", "groups",
		},
		Locales: p.Site.Pages.Languages(), Iss: true,
		Backchannel: true, BackchannelSession: true, Frontchannel: true, FrontchannelSession: true,
	})
	return err
}

func (p *Provider) configuration(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Content-Type", "application/json")
	w.Write(p.discovery)
}

// jwks answers from memory, also while the database is away. A key stands here long before it is used, so
// it may be kept for a while.
func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Content-Type", "application/json")
	w.Write(p.Keys.JWKS())
}
