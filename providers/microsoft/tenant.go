package microsoft

import (
	"regexp"
	"slices"
	"strings"

	"github.com/signet-broker/signet/providers"
)

const (
	authority       = "https://login.microsoftonline.com/"
	organizations   = "organizations"
	consumers       = "consumers"
	common          = "common"
	placeholder     = "{tenantid}" // for the tenant, in the issuer of a discovery document for many
	consumersTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func issuerOf(tenant string) string { return authority + tenant + "/v2.0" }

// tenantOf is the tenant of an issuer; "" for what is no issuer of Microsoft's.
func tenantOf(iss string) string {
	rest, ok := strings.CutPrefix(iss, authority)
	tenant, rest, found := strings.Cut(rest, "/")
	if !ok || !found || rest != "v2.0" || !guid.MatchString(tenant) {
		return ""
	}
	return tenant
}

// many tells whether people of several tenants may come.
func (c *Config) many() bool { return c.Tenant == organizations || c.Tenant == common }

// discovered takes the issuer of the one tenant, or the template for all.
func (c *Config) discovered(issuer string) bool {
	switch {
	case c.many():
		return issuer == issuerOf(placeholder)
	case c.Tenant == consumers:
		return issuer == issuerOf(consumersTenant)
	case guid.MatchString(c.Tenant):
		return issuer == issuerOf(c.Tenant)
	}
	return tenantOf(issuer) != "" // a domain: the document says which tenant has it
}

// issued takes the one tenant, or with the template any; person says which of those may come.
func (c *Config) issued(iss, discovered string) bool {
	if discovered == issuerOf(placeholder) {
		return tenantOf(iss) != ""
	}
	return iss == discovered
}

// tenant returns the tenant of a person. All tenants' tokens are signed by the same keys, so iss and tid
// must agree, and what they agree on must be somebody who was let in.
func (c *Config) tenant(claims map[string]any) (string, error) {
	iss, _ := claims["iss"].(string)
	tid, _ := claims["tid"].(string)
	switch {
	case tid == "" || tid != tenantOf(iss):
		return "", providers.Refuse("tenant", "tid %.40q is not the tenant of iss", tid)
	case tid == consumersTenant && c.Tenant == organizations:
		return "", providers.Refuse("tenant", "a personal account where organizations are wanted")
	case len(c.Tenants) > 0 && !slices.Contains(c.Tenants, tid):
		return "", providers.Refuse("tenant", "tenant %s is not among tenants", tid)
	}
	return tid, nil
}
