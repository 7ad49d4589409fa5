package saml

import (
	"cmp"
	"time"
)

// Peer names the identity provider: its entity ID, or where its metadata is while that alone is known. Two
// providers that share it would take each other's assertions, but for the address that they are sent to.
func (c *Config) Peer() string {
	if c.MetadataURL != "" {
		return cmp.Or(c.EntityID, c.MetadataURL)
	}
	idp, faults := c.identityProvider(time.Now())
	if len(faults) > 0 {
		return ""
	}
	return idp.entityID
}
