package op

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/internal/redirect"
)

// identity is by what a program says which app it means to replace, and that its secret is to stay.
func identity(body []byte) (id, secret string, err error) {
	var said struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return "", "", badMetadata("client_id and client_secret are texts").because(err)
	}
	return said.ID, said.Secret, nil
}

// own finds the app that a request is about, for whoever has its registration access token. Whether there is
// such an app nobody else learns.
func (g *Registrar) own(r *http.Request) (broker.Registered, string, error) {
	raw, err := g.bearerOf(r)
	if err != nil {
		return broker.Registered{}, "", err
	}
	id, addr, now := r.PathValue("client_id"), web.RequestInfo(r.Context()).Addr, g.Now()
	from := callerOf(registering, addr)
	if err := g.guesses.check(from, now); err != nil {
		return broker.Registered{}, "", err
	}
	row, err := g.Store.RegisteredApp(r.Context(), id)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return row, "", err
	}
	if err != nil || !equal(raw, row.TokenHash) {
		g.guesses.note(from, now)
		return row, "", oauth("invalid_token", "the registration access token is not valid").because(fmt.Errorf("app %.80q: %w", id, errors.Join(err, errOthers)))
	}
	web.RequestInfo(r.Context()).App = row.ID
	if row.Disabled {
		return row, "", oauth("access_denied", "the app is disabled").at(http.StatusForbidden)
	}
	return row, raw, g.managed.take(callerOf(row.ID, addr), now)
}

var errOthers = errors.New("another's token, or none")

// show is the read request (RFC 7592 §2.1). The secret is not kept, so it cannot be shown.
func (g *Registrar) show(w http.ResponseWriter, r *http.Request) error {
	row, token, err := g.own(r)
	if err != nil {
		return err
	}
	m, err := kept(row.Document)
	if err != nil {
		return err
	}
	return g.answer(w, http.StatusOK, &row, &m, "", token)
}

// replace is the update request (RFC 7592 §2.2): what is not sent is gone.
func (g *Registrar) replace(w http.ResponseWriter, r *http.Request) error {
	row, token, err := g.own(r)
	if err != nil {
		return err
	}
	s, err := g.read(w, r)
	if err != nil {
		return err
	}
	if s.id != row.ID || s.secret != "" && !equal(s.secret, row.SecretHash) {
		return badMetadata("client_id and client_secret must be those of the app")
	}
	if err := g.Terms.check(r.Context(), &s.Metadata); err != nil {
		return err
	}
	before, err := kept(row.Document)
	if err != nil {
		return err
	}
	secret, err := g.write(&row, &s)
	if err != nil {
		return err
	}
	if _, err := g.Terms.App(&row); err != nil {
		return err
	}
	err = g.Store.UpdateApp(r.Context(), row, differs(&before, &s.Metadata), g.Now(), g.event(r, broker.AppUpdated, row.ID, ""))
	if errors.Is(err, broker.ErrConflict) {
		return oauth("invalid_request", "the app has changed meanwhile").at(http.StatusConflict).because(err)
	} else if err != nil {
		return err
	}
	g.Changed(r.Context())
	return g.answer(w, http.StatusOK, &row, &s.Metadata, secret, token)
}

// differs tells whether people would take an app for another one: what they have allowed was not for it.
func differs(a, b *Metadata) bool {
	hosts := redirect.Hosts(a.RedirectURIs)
	elsewhere := func(uri string) bool {
		host := redirect.Hosts([]string{uri})
		return len(host) == 0 && !slices.Contains(a.RedirectURIs, uri) || len(host) == 1 && !slices.Contains(hosts, host[0])
	}
	return a.Name != b.Name || slices.ContainsFunc(b.RedirectURIs, elsewhere)
}

// remove is the delete request (RFC 7592 §2.3).
func (g *Registrar) remove(w http.ResponseWriter, r *http.Request) error {
	row, _, err := g.own(r)
	if err != nil {
		return err
	}
	if err := g.Store.RemoveApp(r.Context(), row.ID, g.event(r, broker.AppRemoved, row.ID, "")); err != nil && !errors.Is(err, broker.ErrNotFound) {
		return err
	}
	g.Changed(r.Context())
	w.WriteHeader(http.StatusNoContent)
	return nil
}
