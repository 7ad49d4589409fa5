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

// choices are the providers that a login may be answered by and that have a button. All of a hint's or of an
// app's own list are among them; of the others, those of the configuration.
func (b *Broker) choices(l *Login, app *App) []*Provider {
	var list []*Provider
	add := func(p *Provider) {
		if p != nil && b.allowed(l, app, p.ID) {
			list = append(list, p)
		}
	}
	if len(l.Only) == 1 { // the usual hint; never a walk through all providers
		add(b.Registry.Provider(l.Only[0]))
		return list
	}
	for _, p := range b.Registry.Providers() {
		add(p)
	}
	for _, named := range [][]string{l.Only, app.Providers} {
		for _, id := range named {
			if p := b.Registry.Provider(id); !slices.Contains(list, p) {
				add(p)
			}
		}
	}
	return list
}

// searchable tells whether an e-mail address may find a provider that is not among the choices.
func (b *Broker) searchable(l *Login, app *App) bool {
	return len(l.Only) == 0 && len(app.Providers) == 0 && b.Registry.Searchable()
}

// direct returns the provider that needs no choosing: the only one, or the one whose domain the hint has.
func (b *Broker) direct(l *Login, app *App, choices []*Provider) *Provider {
	if len(choices) == 1 && !b.searchable(l, app) {
		return choices[0]
	}
	if l.SelectUser {
		return nil
	}
	return b.byDomain(l, app, l.LoginHint)
}

// byDomain returns the provider that an e-mail address belongs to and that the login may be answered by.
func (b *Broker) byDomain(l *Login, app *App, email string) *Provider {
	domain := emailDomain(email)
	if domain == "" || len(email) > maxEmail {
		return nil
	}
	id := b.Registry.ByDomain(domain)
	if id == "" || !b.allowed(l, app, id) {
		return nil
	}
	return b.Registry.Provider(id)
}

// HasChoice tells whether a login's person can choose another provider.
func (b *Broker) HasChoice(l *Login) bool {
	app := b.Registry.App(l.App)
	return app != nil && (len(b.choices(l, app)) > 1 || b.searchable(l, app))
}
