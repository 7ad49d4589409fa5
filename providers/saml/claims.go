package saml

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/signet-broker/signet/providers"
)

// names are the attribute Names under which identity providers commonly send a claim, the first that is
// there wins: the X.500 and eduPerson object identifiers, Microsoft's claim types, and the plain words.
var names = []struct {
	claim string
	from  []string
}{
	{"email", []string{
		"urn:oid:0.9.2342.19200300.100.1.3",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
		"email", "mail", "emailAddress", "emailaddress", "Email", "EmailAddress",
	}},
	{"name", []string{
		"urn:oid:2.16.840.1.113730.3.1.241",
		"http://schemas.microsoft.com/identity/claims/displayname",
		"displayName", "displayname", "name", "cn", "urn:oid:2.5.4.3",
		"http://schemas.xmlsoap.org/claims/CommonName",
		// Microsoft sends a sign-in name here, so it comes last.
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
	}},
	{"given_name", []string{
		"urn:oid:2.5.4.42",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
		"givenName", "given_name", "firstName", "first_name", "FirstName",
	}},
	{"family_name", []string{
		"urn:oid:2.5.4.4",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
		"sn", "surname", "family_name", "lastName", "last_name", "LastName",
	}},
}

var groupNames = []string{
	"http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
	"http://schemas.xmlsoap.org/claims/Group",
	"urn:oid:1.3.6.1.4.1.5923.1.5.1.1", // isMemberOf
	"groups", "Groups", "group", "memberOf", "isMemberOf",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "eduPersonAffiliation",
}

// defaultMap takes what claims has folded together. An identity provider rarely says whether it has
// verified an address, so none is verified until the operator says so.
var defaultMap = map[string]string{
	"email":          "claims.?email",
	"email_verified": "false",
	"name":           "claims.?name",
	"given_name":     "claims.?given_name",
	"family_name":    "claims.?family_name",
	"groups":         "claims.?groups",
}

// claims returns what an assertion says, in JSON types: attributes (a list of strings each, by Name),
// name_id, name_id_format, session_index, and email, name, given_name, family_name and groups where an
// attribute of a usual Name has them.
func (as assertion) claims() map[string]any {
	attributes := make(map[string]any, len(as.attributes))
	for name, values := range as.attributes {
		attributes[name] = list(values)
	}
	out := map[string]any{"attributes": attributes}
	set := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	set("name_id", as.nameID.value)
	set("name_id_format", as.nameID.format)
	set("session_index", as.authn.session)
	for _, n := range names {
		set(n.claim, as.first(n.from))
	}
	if out["email"] == nil && as.nameID.format == formatEmail {
		out["email"] = as.nameID.value
	}
	for _, name := range groupNames {
		if values := as.attributes[name]; len(values) > 0 {
			out["groups"] = list(values)
			break
		}
	}
	return out
}

// first returns the first value of the first attribute that has one.
func (as assertion) first(from []string) string {
	for _, name := range from {
		if values := as.attributes[name]; len(values) > 0 && values[0] != "" {
			return values[0]
		}
	}
	return ""
}

func list(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// subject names the person for good. It is the NameID's value; or the one value of the configured
// attribute. A transient NameID is made anew for each session and is refused. A persistent one means
// something only within its qualifiers (SAML core §8.3.7), which default to the identity provider and us:
// where either is another, the subject is "NameQualifier!SPNameQualifier!value" with the defaults filled in.
func (p *provider) subject(x exchange, as assertion) (string, error) {
	if name := p.cfg.SubjectAttribute; name != "" {
		values := as.attributes[name]
		if len(values) != 1 || !goodSubject(values[0]) {
			return "", providers.Refuse("no_subject", "subject attribute has not one usable value")
		}
		return values[0], nil
	}
	id := as.nameID
	switch {
	case id.value == "":
		return "", providers.Refuse("no_subject", "assertion without NameID")
	case id.format == formatTransient:
		return "", providers.Refuse("unstable_id", "transient NameID; configure subject_attribute or a persistent format")
	case id.format != formatPersistent:
		return id.value, nil
	}
	if id.qualifier == "" {
		id.qualifier = x.idp
	}
	if id.spQualifier == "" {
		id.spQualifier = x.sp
	}
	if id.qualifier == x.idp && id.spQualifier == x.sp {
		return id.value, nil
	}
	qualified := id.qualifier + "!" + id.spQualifier + "!" + id.value
	if !goodSubject(qualified) {
		return "", providers.Refuse("no_subject", "qualified NameID is too long")
	}
	return qualified, nil
}

// maxMemory is the most that an identity's Memory may be.
const maxMemory = 4 << 10

// name is what an identity's Memory holds: with its Handle, the NameID as the identity provider wrote it,
// which is how the sign-outs of both sides name the person (SAML core §3.7.1).
type name struct {
	Format      string `json:"format,omitempty"`
	Qualifier   string `json:"qualifier,omitempty"`
	SPQualifier string `json:"sp_qualifier,omitempty"`
}

// done makes the identity. The assertion's ID is remembered as a hash: it is the sender's, of any length.
func (p *provider) done(x exchange, as assertion) (providers.Next, error) {
	subject, err := p.subject(x, as)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(as.id))
	memory, err := json.Marshal(name{as.nameID.format, as.nameID.qualifier, as.nameID.spQualifier})
	if err != nil {
		return nil, providers.AsError(err)
	}
	if len(memory) > maxMemory {
		return nil, providers.Refuse("no_subject", "NameID with qualifiers of %d bytes", len(memory))
	}
	return providers.Done{
		Identity: providers.Identity{
			Subject: subject, Claims: as.claims(), AuthTime: as.authn.at,
			AMR: as.methods(), ACR: as.authn.class, Session: as.authn.session,
			Handle: as.nameID.value, Memory: memory,
		},
		Once: []providers.Once{{
			ID:    "assertion:" + base64.RawURLEncoding.EncodeToString(hash[:]),
			Until: as.until.Add(x.skew),
		}},
	}, nil
}

// methods returns how the person authenticated in the words of RFC 8176, as far as they are asserted.
func (as assertion) methods() []string {
	const mfa = "http://schemas.microsoft.com/claims/multipleauthn"
	if slices.Contains(as.attributes["http://schemas.microsoft.com/claims/authnmethodsreferences"], mfa) {
		return []string{"mfa"}
	}
	switch as.authn.class {
	case "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
		"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport":
		return []string{"pwd"}
	case "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken":
		return []string{"otp"}
	case "urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard",
		"urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI":
		return []string{"sc"}
	case "urn:oasis:names:tc:SAML:2.0:ac:classes:X509",
		"urn:oasis:names:tc:SAML:2.0:ac:classes:TLSClient":
		return []string{"swk"}
	case "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
		"urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered",
		"https://refeds.org/profile/mfa", mfa:
		return []string{"mfa"}
	}
	return nil
}
