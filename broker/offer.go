package broker

import "slices"

// manyProviders is how many buttons a person can take in. Beyond it, providers that an e-mail address finds
// have no button.
const manyProviders = 8

// offer puts the providers of a login in the order in which its person is asked: the one that this browser
// last signed in with first, and where there are many, by e-mail address before anything else. searchable: an
// address may find one that is not among them.
func offer(choices []*Provider, last string, searchable bool) Choices {
	c := Choices{Providers: choices}
	hasDomain := func(p *Provider) bool { return len(p.Domains) > 0 }
	c.ByEmail = searchable || slices.ContainsFunc(choices, hasDomain)
	if c.ByEmail && len(choices) > manyProviders {
		c.EmailFirst = true
		c.Providers = slices.DeleteFunc(slices.Clone(choices), func(p *Provider) bool { return hasDomain(p) && p.ID != last })
	}
	if i := slices.IndexFunc(c.Providers, func(p *Provider) bool { return p.ID == last }); i >= 0 {
		p := c.Providers[i]
		c.Providers = slices.Insert(slices.Delete(slices.Clone(c.Providers), i, i+1), 0, p)
		c.Last = last
	}
	return c
}
