package op

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/token"
)

const (
	maxACR   = 10  // values
	maxWord  = 255 // bytes of each
	maxAsked = 64  // claims about the person, in each of the two places
	maxClaim = 128 // bytes of the name of one
)

// claimsRequest is the parameter claims (OpenID Connect Core §5.5): claims about the person that a scope would
// release as well, how they authenticate, and who they are. That a claim is essential makes no difference to one
// about the person: what is known is given, and a login without it is no error (§5.5.1). Nor does a value, which is
// a wish: the app sees what it gets.
type claimsRequest struct {
	Userinfo map[string]*claimRequest `json:"userinfo"`
	IDToken  map[string]*claimRequest `json:"id_token"`
}

// claimRequest is what one claim should be; nil: anything will do.
type claimRequest struct {
	Essential bool              `json:"essential"`
	Value     json.RawMessage   `json:"value"`
	Values    []json.RawMessage `json:"values"`
}

// wishes reads the parameter.
func wishes(v url.Values) (c claimsRequest, err error) {
	if v.Get("claims") == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(v.Get("claims")), &c); err != nil {
		return c, oauth("invalid_request", "claims is not what OpenID Connect Core §5.5 says").because(err)
	}
	return c, nil
}

// individual are the claims about the person that are asked for, of those scopes that the app may ask for.
func (c *claimsRequest) individual(app *broker.App) (token.Claims, error) {
	read := func(wanted map[string]*claimRequest) (names []string) {
		for name := range wanted {
			if len(name) <= maxClaim && broker.AboutPerson(name) && app.MayAsk(token.ScopeOf(name)) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	asked := token.Claims{ID: read(c.IDToken), Userinfo: read(c.Userinfo)}
	if len(asked.ID) > maxAsked || len(asked.Userinfo) > maxAsked {
		return token.Claims{}, oauth("invalid_request", "claims asks for more than %d claims", maxAsked)
	}
	return asked, nil
}

// covering are the scopes that release all that is asked for. They are what a person allows: nothing reaches an app
// of somebody else's by a claim that its person was not told of.
func covering(scope []string, claims token.Claims) []string {
	all := slices.Clone(scope)
	for _, s := range claims.Scopes() {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// authenticationContext reads how the person should authenticate: acr_values is a wish, an essential acr must
// be (OpenID Connect Core §5.5.1.1), and so must a sub that is named (§3.1.2.2).
func authenticationContext(v url.Values, c claimsRequest, l *broker.Login) error {
	l.ACR = words(strings.Fields(clip(v.Get("acr_values"), maxClaims)))
	if err := c.subject(l); err != nil {
		return err
	}
	acr := c.IDToken["acr"]
	if acr == nil {
		return nil
	}
	var wanted []string
	for _, raw := range append(acr.Values, acr.Value) {
		var text string
		if len(raw) > 0 && json.Unmarshal(raw, &text) == nil {
			wanted = append(wanted, text)
		}
	}
	if wanted = words(wanted); len(wanted) > 0 {
		l.ACR, l.MustACR = wanted, acr.Essential
	} else if acr.Essential && (acr.Values != nil || acr.Value != nil) {
		return oauth("invalid_request", "claims asks for an acr that no sign-in has")
	}
	return nil
}

// subject reads who the person must be: one sub, as this app knows it, wherever it is asked for.
func (c *claimsRequest) subject(l *broker.Login) error {
	for _, sub := range []*claimRequest{c.IDToken["sub"], c.Userinfo["sub"]} {
		if sub == nil {
			continue
		}
		for _, raw := range append(sub.Values, sub.Value) {
			if len(raw) == 0 {
				continue
			}
			var text string
			if err := json.Unmarshal(raw, &text); err != nil || text == "" || l.ExpectedUser != "" && l.ExpectedUser != text {
				return oauth("invalid_request", "claims may name one sub").because(err)
			}
			l.ExpectedUser = text
		}
	}
	return nil
}

// words are those that an acr can be, in their order.
func words(list []string) []string {
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" || len(s) > maxWord })
	return list[:min(len(list), maxACR)]
}
