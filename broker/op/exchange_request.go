package op

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-broker/signet/broker/web"
)

// The token types that are taken (RFC 8693 §3); the first is what is given.
const (
	typeAccess = "urn:ietf:params:oauth:token-type:access_token"
	typeID     = "urn:ietf:params:oauth:token-type:id_token"
)

// exchange is a token exchange request (RFC 8693 §2.1).
type exchange struct {
	subject, subjectType string
	actor                string
	provider             string   // whose ID token it is; "" where the app has one provider only
	targets              []string // APIs, by resource and audience alike
	scope                []string
}

func readExchange(form url.Values) (exchange, error) {
	for _, name := range append([]string{
		"subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type", "scope",
	}, hints...) {
		if _, err := web.Single(form, name); err != nil {
			return exchange{}, oauth("invalid_request", "%s must not be repeated", name)
		}
	}
	x := exchange{
		subject: form.Get("subject_token"), subjectType: form.Get("subject_token_type"), actor: form.Get("actor_token"),
		scope: strings.Fields(clip(form.Get("scope"), maxScope)),
	}
	for _, name := range hints {
		if x.provider == "" {
			x.provider = form.Get(name)
		}
	}
	for _, id := range slices.Concat(form["resource"], form["audience"]) {
		if id != "" && !slices.Contains(x.targets, id) {
			x.targets = append(x.targets, id)
		}
	}
	kind, actorType := form.Get("requested_token_type"), form.Get("actor_token_type")
	switch {
	case form.Has("requested_subject"):
		return x, oauth("unauthorized_client", "no app may name whom it wants a token for").at(http.StatusForbidden)
	case x.subject == "" || x.subjectType != typeAccess && x.subjectType != typeID:
		return x, oauth("invalid_request", "subject_token is wanted, and its subject_token_type: an access token or an ID token")
	case kind != "" && kind != typeAccess:
		return x, oauth("invalid_request", "requested_token_type can be an access token only")
	case (x.actor == "") != (actorType == ""), actorType != "" && actorType != typeAccess:
		return x, oauth("invalid_request", "actor_token and actor_token_type are given together, for an access token")
	case len(x.targets) > 1:
		return x, oauth("invalid_target", "an access token is for one API: name one")
	}
	return x, nil
}
