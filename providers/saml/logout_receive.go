package saml

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/beevik/etree"

	"github.com/signet-broker/signet/providers"
)

// maxSessions is how many sessions one LogoutRequest may name.
const maxSessions = 100

const statusPartialLogout = statusPrefix + "PartialLogout"

// ReceiveLogout takes a LogoutRequest of the identity provider, or its LogoutResponse to a sign-out of ours
// (SAML core §3.7, profiles §4.4), by HTTP-Redirect or HTTP-POST. Both must be signed: whoever could make
// one up could sign everybody out. Every other input is an *providers.Error of kind Invalid.
func (p *provider) ReceiveLogout(ctx context.Context, r providers.Reply, l *providers.Logout) (providers.SignOut, error) {
	if err := ctx.Err(); err != nil {
		return providers.SignOut{}, &providers.Error{Kind: providers.Internal, Reason: "canceled", Err: err}
	}
	m, err := readMessage(r)
	if err != nil {
		return providers.SignOut{}, err
	}
	idp, err := p.source.get(ctx)
	if err != nil {
		return providers.SignOut{}, err
	}
	x := p.exchange(ctx, idp)
	x.acs = p.slo()
	el, issued, err := p.open(ctx, x, m)
	if err != nil {
		return providers.SignOut{}, err
	}
	if el.Tag == "LogoutResponse" {
		return p.readLogoutResponse(el, m, l)
	}
	out, err := x.readLogoutRequest(el, issued)
	if err != nil {
		return providers.SignOut{}, err
	}
	id := attr(el, "ID")
	out.Answer = func(ended bool) (providers.Next, error) {
		return p.answerLogout(ctx, idp, id, m.relayState, ended)
	}
	return out, nil
}

// readLogoutRequest reads whose sessions end (SAML core §3.7.1).
func (x exchange) readLogoutRequest(el *etree.Element, issued time.Time) (out providers.SignOut, err error) {
	end, err := instant(el, "NotOnOrAfter")
	if err != nil {
		return out, err
	}
	if !end.IsZero() && !end.After(x.now.Add(-x.skew)) {
		return out, providers.Refuse("expired", "LogoutRequest is over")
	}
	who, err := readNameID(el)
	if err != nil {
		return out, err
	}
	if who.value == "" {
		return out, providers.Refuse("no_subject", "LogoutRequest without NameID")
	}
	out.Handle = who.value
	for _, c := range children(el, nsProtocol, "SessionIndex") {
		session, err := text(c)
		if err != nil {
			return out, err
		}
		// Without this, an empty one would read like none, which means all of them.
		if session == "" || len(session) > maxMessageID || len(out.Sessions) == maxSessions {
			return out, providers.Refuse("malformed", "SessionIndex of %d bytes, after %d", len(session), len(out.Sessions))
		}
		out.Sessions = append(out.Sessions, session)
	}
	hash := sha256.Sum256([]byte(attr(el, "ID")))
	out.Once = []providers.Once{{
		ID:    "logout:" + base64.RawURLEncoding.EncodeToString(hash[:]),
		Until: issued.Add(logoutLifetime + x.skew + time.Second), // later it is stale
	}}
	return out, nil
}

// readLogoutResponse takes the answer to the one request that l remembers. What it says of the identity
// provider's own session changes nothing here: ours has ended.
func (p *provider) readLogoutResponse(el *etree.Element, m message, l *providers.Logout) (providers.SignOut, error) {
	var sent logoutMemory
	if l == nil || m.relayState != l.ID || json.Unmarshal(l.State, &sent) != nil || sent.Request == "" {
		return providers.SignOut{}, providers.Refuse("state_invalid", "LogoutResponse to no sign-out of ours")
	}
	if attr(el, "InResponseTo") != sent.Request {
		return providers.SignOut{}, providers.Refuse("in_response_to", "LogoutResponse answers another request")
	}
	var refusal *providers.Error
	if err := checkStatus(el); errors.As(err, &refusal) && refusal.Reason != "idp_error" {
		return providers.SignOut{}, err
	} else if err != nil {
		p.env.Log.Warn("saml sign-out not done there", "provider", p.env.ID, "err", err)
	}
	return providers.SignOut{Answers: true}, nil
}

// answerLogout makes the signed LogoutResponse (SAML core §3.7.2). RelayState goes back as it came: it is
// the identity provider's, and means nothing here.
func (p *provider) answerLogout(ctx context.Context, idp *identityProvider, request, relayState string, ended bool) (providers.Next, error) {
	binding, to := p.logoutEndpoint(idp)
	if binding == "" {
		return nil, providers.Broken(broken, errors.New("identity provider has no SingleLogoutService to be answered at"))
	}
	el := p.logoutMessage("LogoutResponse", "_"+rand.Text(), to.response)
	el.CreateAttr("InResponseTo", request)
	code := el.CreateElement("samlp:Status").CreateElement("samlp:StatusCode")
	code.CreateAttr("Value", statusSuccess)
	if !ended {
		code.CreateElement("samlp:StatusCode").CreateAttr("Value", statusPartialLogout)
	}
	return p.sendSigned(ctx, binding, el, "SAMLResponse", relayState)
}
