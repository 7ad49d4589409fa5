package oidc

// Peer names the upstream and Signet's registration there: two providers that share it are the same.
func (c *Config) Peer() string { return c.Issuer + " " + c.ClientID }
