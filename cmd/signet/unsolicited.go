package main

import (
	"slices"

	"github.com/signet-broker/signet/config"
)

// unsolicited finds what is wrong with the app that sign-ins which begin at a provider are for: they end where
// a login of the app's begins, so it must have such an address and may use the provider.
func (p *prepared) unsolicited(cfg *config.Config) config.Faults {
	c, ok := p.own.(interface{ UnsolicitedApp() (key, app string) })
	if !ok {
		return nil
	}
	key, id := c.UnsolicitedApp()
	if id == "" {
		return nil
	}
	at := slices.IndexFunc(cfg.Apps, func(a config.App) bool { return a.ID == id })
	problem := ""
	switch {
	case at < 0:
		problem = "no app has this id"
	case cfg.Apps[at].InitiateLoginURI == "":
		problem = "this app has no initiate_login_uri, where its logins begin"
	case len(cfg.Apps[at].Providers) > 0 && !slices.Contains(cfg.Apps[at].Providers, p.ID):
		problem = "this app may not use this provider"
	default:
		return nil
	}
	return config.Faults{p.FaultAt(key, problem)}
}
