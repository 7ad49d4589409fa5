package op

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/signet-broker/signet/broker"
)

const (
	maxACR  = 10  // values
	maxWord = 255 // bytes of each
)

// claimsRequest is the parameter claims (OpenID Connect Core §5.5). What is released is a matter of scopes
// here; what an app may ask for beyond them is how its person authenticates, and who that is.
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

// authenticationContext reads how the person should authenticate: acr_values is a wish, an essential acr must
// be (OpenID Connect Core §5.5.1.1), and so must a sub that is named (§3.1.2.2).
func authenticationContext(v url.Values, l *broker.Login) error {
	l.ACR = words(strings.Fields(clip(v.Get("acr_values"), maxClaims)))
	if v.Get("claims") == "" {
		return nil
	}
	var c claimsRequest
	if err := json.Unmarshal([]byte(v.Get("claims")), &c); err != nil {
		return oauth("invalid_request", "claims is not what OpenID Connect Core §5.5 says").because(err)
	}
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
