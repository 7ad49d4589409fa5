package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
)

// Keys says where the private keys are that sign tokens.
type Keys struct {
	KMS KMS `yaml:"kms" doc:"those that AWS KMS keeps; of an algorithm without any, they are in the database"`
}

// KMS names keys in AWS KMS by their ARN, which names their region too.
type KMS struct {
	Endpoint string   `yaml:"endpoint" doc:"its address, e.g. of a VPC endpoint; absent: AWS's own in the region of the key"`
	RS256    []string `yaml:"RS256" doc:"ARNs of RSA keys in the order they come into use, the next one last"`
	ES256    []string `yaml:"ES256" doc:"ARNs of keys on the curve P-256 in the order they come into use, the next one last"`
	PS256    []string `yaml:"PS256" doc:"ARNs of RSA keys, others than those of RS256, in the order they come into use, the next one last"`
}

// Names are the keys by algorithm, without those that have none.
func (k KMS) Names() map[string][]string {
	all := map[string][]string{}
	for alg, arns := range map[string][]string{"RS256": k.RS256, "ES256": k.ES256, "PS256": k.PS256} {
		if len(arns) > 0 {
			all[alg] = arns
		}
	}
	return all
}

var (
	kmsKey   = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/[A-Za-z0-9-]{1,64}$`)
	kmsAlias = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]+:)?alias/`)
)

func (k *checker) keys() {
	c := k.Keys.KMS
	if problem := kmsEndpointProblem(c.Endpoint); c.Endpoint != "" && problem != "" {
		k.fault("keys.kms.endpoint", "%s", problem)
	}
	names := c.Names()
	if c.Endpoint != "" && len(names) == 0 {
		k.warn("keys.kms.endpoint", "no key is named, so none is asked for there")
	}
	at := map[string]string{}
	for _, alg := range signing {
		for i, arn := range names[alg] {
			key := fmt.Sprintf("keys.kms.%s.%d", alg, i)
			switch {
			case kmsAlias.MatchString(arn):
				k.fault(key, "is an alias, which may stand for another key tomorrow; give the key's own ARN")
			case !kmsKey.MatchString(arn):
				k.fault(key, "must be the ARN of a key, as in arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
			case at[arn] != "":
				k.fault(key, "is at %s already; a key is for one algorithm", at[arn])
			}
			at[arn] = key
		}
	}
	k.inSoftware(names)
}

// inSoftware warns of a key that is used and kept in the database, where others are not.
func (k *checker) inSoftware(names map[string][]string) {
	if len(names) == 0 {
		return
	}
	warn := func(key, alg string) {
		if slices.Contains(signing, alg) && len(names[alg]) == 0 {
			k.warn(key, "keys.kms names no key for %s: that one is kept in the database", alg)
		}
	}
	for i := range k.Apps {
		warn(fmt.Sprintf("apps.%d.tokens.signing", i), k.Apps[i].Tokens.Signing)
	}
	for i := range k.APIs {
		warn(fmt.Sprintf("apis.%d.signing", i), k.APIs[i].Signing)
	}
}

func kmsEndpointProblem(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "must be an address without a path, such as https://vpce-0123.kms.eu-central-1.vpce.amazonaws.com"
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	}
	return "must be https; http is for loopback only"
}
