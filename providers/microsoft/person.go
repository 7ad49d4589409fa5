package microsoft

import (
	"slices"
	"strings"

	"github.com/signet-broker/signet/providers"
)

// person names somebody by tenant and object id, which Microsoft never gives to anybody else, and takes out
// of the claims what a tenant's administrator could have written about people who are not theirs.
func (c *Config) person(claims map[string]any, _ providers.Reply) (string, error) {
	tid, err := c.tenant(claims)
	if err != nil {
		return "", err
	}
	oid, _ := claims["oid"].(string)
	if !guid.MatchString(oid) {
		return "", providers.Refuse("sub", "oid %.40q is no object id", oid)
	}
	claims["email_verified"] = c.owns(claims)
	// Of somebody in very many groups there is only an address where to ask, written into the token. It is
	// not asked, and a part of the groups would be worse than none.
	if names, _ := claims["_claim_names"].(map[string]any); names["groups"] != nil || claims["hasgroups"] != nil {
		delete(claims, "groups")
	}
	delete(claims, "_claim_names")
	delete(claims, "_claim_sources")
	return tid + "." + oid, nil
}

// owns tells whether the e-mail address is the person's. In Entra ID it is a field that an administrator of
// any tenant can fill in (nOAuth), so it is only where Microsoft says that the tenant owns the domain
// (xms_edov), or where the operator does.
func (c *Config) owns(claims map[string]any) bool {
	email, _ := claims["email"].(string)
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return false
	}
	switch claims["xms_edov"] { // the documentation says boolean; strings and numbers are seen as well
	case true, "true", "1", float64(1):
		return true
	}
	return slices.Contains(c.VerifiedDomains, strings.ToLower(email[at+1:]))
}
