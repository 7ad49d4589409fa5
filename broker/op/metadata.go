package op

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/go-jose/go-jose/v4/json"
)

// Metadata is what a registered app says of itself (RFC 7591 §2, OpenID Connect Registration 1.0 §2): of all that
// it sent what means something here, as it is in force. What is not here is ignored and never given back.
type Metadata struct {
	RedirectURIs    []string          `json:"redirect_uris,omitempty"`
	ApplicationType string            `json:"application_type,omitempty"`
	GrantTypes      []string          `json:"grant_types,omitempty"`
	ResponseTypes   []string          `json:"response_types,omitempty"`
	Scope           string            `json:"scope,omitempty"`
	Name            string            `json:"client_name,omitempty"`
	Names           map[string]string `json:"-"` // by language: client_name#de
	ClientURI       string            `json:"client_uri,omitempty"`
	LogoURI         string            `json:"logo_uri,omitempty"`
	PolicyURI       string            `json:"policy_uri,omitempty"`
	TermsURI        string            `json:"tos_uri,omitempty"`
	Contacts        []string          `json:"contacts,omitempty"`
	SoftwareID      string            `json:"software_id,omitempty"`
	SoftwareVersion string            `json:"software_version,omitempty"`

	TokenAuth    string          `json:"token_endpoint_auth_method,omitempty"`
	TokenAuthAlg string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKSURI      string          `json:"jwks_uri,omitempty"`
	JWKS         json.RawMessage `json:"jwks,omitempty"`
	TLSDN        string          `json:"tls_client_auth_subject_dn,omitempty"`
	TLSDNS       string          `json:"tls_client_auth_san_dns,omitempty"`
	TLSURI       string          `json:"tls_client_auth_san_uri,omitempty"`
	TLSIP        string          `json:"tls_client_auth_san_ip,omitempty"`
	TLSEmail     string          `json:"tls_client_auth_san_email,omitempty"`

	CertificateBound bool `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPBound        bool `json:"dpop_bound_access_tokens,omitempty"`
	MustPush         bool `json:"require_pushed_authorization_requests,omitempty"`
	MustSign         bool `json:"require_signed_request_object,omitempty"`

	SubjectType   string   `json:"subject_type,omitempty"`
	SectorURI     string   `json:"sector_identifier_uri,omitempty"`
	IDTokenAlg    string   `json:"id_token_signed_response_alg,omitempty"`
	UserinfoAlg   string   `json:"userinfo_signed_response_alg,omitempty"`
	AnswerAlg     string   `json:"authorization_signed_response_alg,omitempty"`
	RequestAlg    string   `json:"request_object_signing_alg,omitempty"`
	RequestURIs   []string `json:"request_uris,omitempty"`
	DefaultMaxAge *int     `json:"default_max_age,omitempty"` // seconds
	MustAuthTime  bool     `json:"require_auth_time,omitempty"`
	DefaultACR    []string `json:"default_acr_values,omitempty"`

	InitiateLoginURI       string   `json:"initiate_login_uri,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	BackchannelURI         string   `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession     bool     `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelURI        string   `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession    bool     `json:"frontchannel_logout_session_required,omitempty"`
}

// unmet are members that cannot be fulfilled, and that must not be ignored: whoever wants something encrypted
// does not want it plain.
type unmet struct {
	Statement    string `json:"software_statement"`
	IDToken      string `json:"id_token_encrypted_response_alg"`
	Userinfo     string `json:"userinfo_encrypted_response_alg"`
	Request      string `json:"request_object_encryption_alg"`
	Answer       string `json:"authorization_encrypted_response_alg"`
	Introspected string `json:"introspection_encrypted_response_alg"`
}

const namePrefix = "client_name#"

// languageTag is one of BCP 47 as far as it is used here.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$`)

func badMetadata(format string, args ...any) *Error {
	return oauth("invalid_client_metadata", format, args...)
}

// readMetadata decodes a registration: names count in their own case, and none may come twice.
func readMetadata(body []byte) (Metadata, error) {
	var m Metadata
	var w unmet
	if err := json.Unmarshal(body, &m); err != nil {
		return m, badMetadata("the metadata is no JSON object as RFC 7591 has it").because(err)
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return m, badMetadata("the metadata is no JSON object as RFC 7591 has it").because(err)
	}
	switch {
	case w.Statement != "" && strings.Count(w.Statement, ".") != 2:
		return m, oauth("invalid_software_statement", "software_statement is no signed JWT")
	case w.Statement != "":
		return m, oauth("unapproved_software_statement", "nobody who signs software statements is trusted here")
	case w.IDToken+w.Userinfo+w.Request+w.Answer+w.Introspected != "":
		return m, badMetadata("nothing is encrypted here but by TLS")
	}
	if string(m.JWKS) == "null" {
		m.JWKS = nil
	}
	return m, m.readNames(body)
}

// readNames reads the names in other languages (RFC 7591 §2.2).
func (m *Metadata) readNames(body []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return badMetadata("the metadata is no JSON object").because(err)
	}
	for key, raw := range all {
		tag, ok := strings.CutPrefix(key, namePrefix)
		if !ok {
			continue
		}
		var name string
		if err := json.Unmarshal(raw, &name); err != nil || !languageTag.MatchString(tag) || len(m.Names) == maxNames {
			return badMetadata("client_name must be text, with a language of BCP 47 after its #")
		}
		if m.Names == nil {
			m.Names = map[string]string{}
		}
		m.Names[strings.ToLower(tag)] = name
	}
	return nil
}

// document is the metadata as JSON, with what is beside it.
func (m *Metadata) document(beside map[string]any) ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for tag, name := range m.Names {
		all[namePrefix+tag] = name
	}
	maps.Copy(all, beside)
	return json.Marshal(all)
}

// kept reads a document of the database again.
func kept(document []byte) (m Metadata, err error) {
	if err := json.Unmarshal(document, &m); err != nil {
		return m, fmt.Errorf("metadata of an app: %w", err)
	}
	if !bytes.Contains(document, []byte(namePrefix)) {
		return m, nil // thousands are read at a start
	}
	return m, m.readNames(document)
}
