package broker

import "slices"

// ChoosePage is the Ask on which a person picks a provider; its data is Choices.
const ChoosePage = "choose"

// Choices is what the choose page offers.
type Choices struct {
	App        *App
	Providers  []*Provider // those with a button, in their order
	ByEmail    bool        // some provider has domains, so an e-mail address can find it
	EmailFirst bool        // there are many: asked for before anything else
	Last       string      // the provider that this browser last signed in with, when it is among them
	Email      string      // as typed before
	Unknown    bool        // that address belongs to no provider
}

// allowed tells whether a login may be answered by a provider.
func (b *Broker) allowed(l *Login, app *App, provider string) bool {
	return b.Registry.Provider(provider) != nil && app.May(provider) && (len(l.Only) == 0 || slices.Contains(l.Only, provider))
}

// choices are the providers that a login may be answered by.
func (b *Broker) choices(l *Login, app *App) []*Provider {
	if len(l.Only) == 1 { // the usual hint; never a walk through all providers
		if b.allowed(l, app, l.Only[0]) {
			return []*Provider{b.Registry.Provider(l.Only[0])}
		}
		return nil
	}
	var list []*Provider
	for _, p := range b.Registry.Providers() {
		if b.allowed(l, app, p.ID) {
			list = append(list, p)
		}
	}
	return list
}

// direct returns the provider that needs no choosing: the only one, or the one whose domain the hint has.
func direct(choices []*Provider, hint string, selectUser bool) *Provider {
	if len(choices) == 1 {
		return choices[0]
	}
	if selectUser {
		return nil
	}
	return byDomain(choices, hint)
}

func byDomain(choices []*Provider, email string) *Provider {
	domain := emailDomain(email)
	if domain == "" || len(email) > maxEmail {
		return nil
	}
	for _, p := range choices {
		if slices.Contains(p.Domains, domain) {
			return p
		}
	}
	return nil
}

// HasChoice tells whether a login's person can choose another provider.
func (b *Broker) HasChoice(l *Login) bool {
	app := b.Registry.App(l.App)
	return app != nil && len(b.choices(l, app)) > 1
}
