package github

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/providers/oauth2"
)

const (
	pageSize = 100
	maxPages = 10 // of teams
)

// reader asks GitHub's API about one person.
type reader struct {
	conf *Config
	api  string
	log  *slog.Logger
}

// person says who somebody is by their number: a login can be given up, and then anybody can take it.
func (r *reader) person(ctx context.Context, api *oauth2.API) (string, map[string]any, error) {
	var profile map[string]any
	if _, err := api.Get(ctx, r.api+"/user", &profile); err != nil {
		return "", nil, err
	}
	// A number and nothing else: a string would be another API's answer.
	id, ok := profile["id"].(json.Number)
	if !ok {
		return "", nil, providers.Refuse("sub", "profile has no id that is a number")
	}
	subject, err := oauth2.Subject(profile, "id")
	if err != nil {
		return "", nil, err
	}
	if profile["type"] != "User" {
		return "", nil, providers.Refuse("sub", "profile is of an account of type %.20q", fmt.Sprint(profile["type"]))
	}
	if err := r.addEmail(ctx, api, profile); err != nil {
		return "", nil, err
	}
	if err := r.checkMembership(ctx, api, id); err != nil {
		return "", nil, err
	}
	delete(profile, "groups")
	if r.conf.Teams {
		if profile["groups"], err = r.teams(ctx, api); err != nil {
			return "", nil, err
		}
	}
	return subject, oauth2.Claims(profile), nil
}

// addEmail puts in the address that is both primary and verified, or none. The one of the profile is what the
// person shows in public.
func (r *reader) addEmail(ctx context.Context, api *oauth2.API, profile map[string]any) error {
	delete(profile, "email")
	delete(profile, "email_verified")
	var emails []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	status, err := api.Get(ctx, r.api+"/user/emails?per_page="+strconv.Itoa(pageSize), &emails)
	switch {
	case status == http.StatusForbidden || status == http.StatusNotFound: // a GitHub App without the permission
		r.log.Warn("e-mail addresses may not be read: does the app have the permission?", "status", status)
		return nil
	case err != nil:
		return err
	}
	for _, e := range emails {
		if e.Primary && e.Verified && e.Email != "" {
			profile["email"], profile["email_verified"] = e.Email, true
		}
	}
	return nil
}

// checkMembership holds people to the configured organizations. The token's own user is asked for, at this
// login: what was true at an earlier one is not, and an invitation that is pending is not a membership.
func (r *reader) checkMembership(ctx context.Context, api *oauth2.API, id json.Number) error {
	if len(r.conf.Organizations) == 0 {
		return nil
	}
	for _, org := range r.conf.Organizations {
		var m struct {
			State        string `json:"state"`
			Organization struct {
				Login string `json:"login"`
			} `json:"organization"`
			User struct {
				ID json.Number `json:"id"`
			} `json:"user"`
		}
		status, err := api.Get(ctx, r.api+"/user/memberships/orgs/"+org, &m)
		switch {
		case status == http.StatusNotFound:
			continue
		case status == http.StatusForbidden: // the organization has not allowed this OAuth app, or wants SAML first
			r.log.Warn("an organization does not let its memberships be read", "organization", org)
			continue
		case err != nil:
			return err
		case m.State == "active" && m.User.ID == id && strings.EqualFold(m.Organization.Login, org):
			return nil
		}
	}
	return &providers.Error{
		Kind: providers.Forbidden, Reason: "not_member",
		Err: fmt.Errorf("user %s is an active member of none of %s", id, strings.Join(r.conf.Organizations, ", ")),
	}
}

// teams are the person's teams as org/team, as their addresses on GitHub have them.
func (r *reader) teams(ctx context.Context, api *oauth2.API) ([]any, error) {
	groups := []any{}
	for page := 1; page <= maxPages; page++ {
		var teams []struct {
			Slug         string `json:"slug"`
			Organization struct {
				Login string `json:"login"`
			} `json:"organization"`
		}
		if _, err := api.Get(ctx, fmt.Sprintf("%s/user/teams?per_page=%d&page=%d", r.api, pageSize, page), &teams); err != nil {
			return nil, err
		}
		for _, t := range teams {
			if t.Slug != "" && r.wanted(t.Organization.Login) {
				groups = append(groups, t.Organization.Login+"/"+t.Slug)
			}
		}
		if len(teams) < pageSize {
			return groups, nil
		}
	}
	// Some groups would be some rights: better none at all than those that happen to come first.
	return nil, providers.Refuse("malformed", "person has %d teams or more", pageSize*maxPages)
}

func (r *reader) wanted(org string) bool {
	return org != "" && (len(r.conf.Organizations) == 0 ||
		slices.ContainsFunc(r.conf.Organizations, func(o string) bool { return strings.EqualFold(o, org) }))
}
