package config

import (
	"net/netip"
	"strings"
)

// AppSubject is what an app calls people by (OpenID Connect Core §8).
type AppSubject struct {
	SubjectType      string `yaml:"subject_type" doc:"public: a person's sub is that of every such app; pairwise: it is another one in each sector. Changing it makes everybody somebody else to the app"`
	SectorIdentifier string `yaml:"sector_identifier" doc:"the host whose apps share their pairwise subs; absent: the one that all redirect_uris have"`

	Sector string `yaml:"-"` // "" for a public app
}

// What AppSubject.SubjectType may be.
const (
	SubjectPublic   = "public"
	SubjectPairwise = "pairwise"
)

// appSubject finds the sector of an app (OpenID Connect Core §8.1).
func (k *checker) appSubject(a *App, key string) {
	switch {
	case a.SubjectType != SubjectPublic && a.SubjectType != SubjectPairwise:
		k.fault(key+".subject_type", "must be %s or %s", SubjectPublic, SubjectPairwise)
	case a.SubjectType == SubjectPublic && a.SectorIdentifier != "":
		k.fault(key+".sector_identifier", "is of no use with subject_type: %s", SubjectPublic)
	case a.SubjectType == SubjectPublic:
	case a.SectorIdentifier != "":
		if a.Sector = a.SectorIdentifier; !isHost(a.Sector) {
			k.fault(key+".sector_identifier", "must be a host alone, in lower case, such as example.com")
		}
	default:
		hosts := hostsOf(a.RedirectURIs)
		switch {
		case len(hosts) == 0:
			k.fault(key+".sector_identifier", "is missing: no redirect URI has a host that names the app")
		case len(hosts) > 1:
			// Else the subs would depend on which comes first.
			k.fault(key+".sector_identifier", "is missing: the redirect URIs have several hosts (%s)", strings.Join(hosts, ", "))
		default:
			a.Sector = hosts[0]
		}
		if a.Sector != "" && isLoopback(a.Sector) {
			k.warn(key+".redirect_uris", "name this very machine, a sector that apps of anybody share: set sector_identifier")
		}
	}
}

func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || isDomain(s)
}
