package login

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/providers"
	"github.com/signet-broker/signet/templates"
)

// decide takes the answer of the consent page. It is one word: a form that names anything else, an app or an
// address or scopes, is not ours.
func (p *Pages) decide(r *http.Request, id string, v broker.Visitor, form url.Values) (broker.Turn, error) {
	answer := form["decision"]
	if len(form) != 2 || len(form["csrf"]) != 1 || len(answer) != 1 || !slices.Contains([]string{"allow", "deny"}, answer[0]) || r.URL.RawQuery != "" {
		return broker.Turn{}, providers.Refuse("form_invalid", "an answer with %d fields", len(form))
	}
	return p.Broker.Decide(r.Context(), id, v, answer[0] == "allow")
}

func (p *Pages) consent(w http.ResponseWriter, view templates.Page, action string, l *broker.Login, q broker.Question) error {
	d := templates.Consent{
		Action: action, App: q.App.Called(string(view.Lang)), Scopes: q.Scopes,
		Person: templates.Person{Name: q.User.Attributes.Name(), Email: q.User.Attributes.Email()},
	}
	if q.App.Registered {
		d.Unknown = &templates.Unknown{
			Hosts: strings.Join(hosts(q.App.RedirectURIs), ", "),
			Site:  q.App.Links.Site, Logo: q.App.Links.Logo, Policy: q.App.Links.Policy, Terms: q.App.Links.Terms,
		}
	}
	if q.Device != nil {
		d.Place = &templates.Place{Code: q.Device.Code, Addr: q.Device.Addr, Ago: max(p.Broker.Now().Sub(q.Device.Since), time.Second)}
	}
	if p.Broker.HasChoice(l) {
		d.OthersURL = action + "?choose=1"
	}
	page, err := p.Site.Pages.Consent(view, d)
	if err != nil {
		return err
	}
	p.Site.Show(w, http.StatusOK, page)
	return nil
}

// hosts are where an app's logins may end, a program's own scheme as it is.
func hosts(uris []string) (list []string) {
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil {
			continue
		}
		if host := cmp.Or(u.Hostname(), u.Scheme); !slices.Contains(list, host) {
			list = append(list, host)
		}
	}
	return list[:min(len(list), maxHosts)]
}

// maxHosts is how many hosts people are told of.
const maxHosts = 5
