package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-broker/signet/providers"
)

// Vouched is the user of an identity that a provider has vouched for without a login of theirs.
type Vouched struct {
	User User
	link *Link // of a user who is new
}

// IsNew tells whether the user is not there yet; Admit adds them.
func (v Vouched) IsNew() bool { return v.link != nil }

// Vouch finds the user of an identity by (provider, subject) and by nothing else. Somebody unknown is refused
// with the reason user_unknown, or with create made as at a login, under the same rules; nothing is written. A
// known user's attributes stay as their last login has left them: a token tells less than a login.
func (b *Broker) Vouch(ctx context.Context, app *App, provider string, id providers.Identity, create bool) (Vouched, error) {
	if b.Registry.Provider(provider) == nil || !app.May(provider) {
		return Vouched{}, providers.Refuse("idp_disabled", "app %q may not use provider %q", app.ID, provider)
	}
	u, err := b.Store.UserByLink(ctx, provider, id.Subject)
	switch {
	case err == nil && u.Disabled:
		return Vouched{}, &Error{Kind: providers.Forbidden, Reason: "account_disabled", Err: fmt.Errorf("user %s", u.ID)}
	case err == nil:
		return Vouched{User: u}, nil
	case !errors.Is(err, ErrNotFound):
		return Vouched{}, err
	case !create:
		return Vouched{}, providers.Refuse("user_unknown", "nobody of provider %q has this subject here", provider)
	}
	r, err := b.resolve(ctx, &Login{App: app.ID, Provider: provider, Identity: &id})
	return Vouched{User: r.user, link: r.link}, err
}

// Admit adds a new user. ErrConflict: somebody else has done so meanwhile.
func (b *Broker) Admit(ctx context.Context, v Vouched, e Event) error {
	e.Type, e.User = UserCreated, v.User.ID
	return b.finish(ctx, Finish{User: &v.User, NewUser: true, Link: v.link, Event: e})
}
