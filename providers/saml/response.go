package saml

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

const (
	// attemptLifetime is how long an answer is waited for.
	attemptLifetime = 10 * time.Minute
	// deliveryTime is how long a Response may take from the identity provider through the browser to here.
	deliveryTime = 2 * time.Minute
	// bearerLifetime is how long after its issue an assertion may be presented at most.
	bearerLifetime = time.Hour
	// conditionsLifetime is how long after its issue its Conditions may hold at most. Common identity
	// providers write the length of their own session there.
	conditionsLifetime = 24 * time.Hour
)

const (
	statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"
	statusPrefix  = "urn:oasis:names:tc:SAML:2.0:status:"
)

// memory is what an attempt's State holds.
type memory struct {
	Request string `json:"request"`          // the ID of our AuthnRequest
	Forced  bool   `json:"forced,omitempty"` // the person must sign in after it
}

// Continue takes the Response of the HTTP-POST binding (SAML bindings §3.5) to the attempt's request and
// returns Done. Every other input is an *providers.Error of kind Invalid.
func (p *provider) Continue(ctx context.Context, a *providers.Attempt, r providers.Reply) (next providers.Next, err error) {
	if err := ctx.Err(); err != nil {
		return nil, &providers.Error{Kind: providers.Internal, Reason: "canceled", Err: err}
	}
	var m memory
	if json.Unmarshal(a.State, &m) != nil || m.Request == "" {
		return nil, providers.Refuse("unsolicited", "no request is under way")
	}
	if p.env.Now().Sub(a.Begun) > attemptLifetime {
		return nil, providers.Refuse("request_expired", "answer after more than %s", attemptLifetime)
	}
	raw, err := readReply(a, r)
	if err != nil {
		return nil, err
	}
	idp, err := p.source.get(ctx)
	if err != nil {
		return nil, err
	}
	x := p.exchange(ctx, idp)
	x.request, x.begun, x.forced, x.maxAge = m.Request, a.Begun, m.Forced, a.MaxAge
	as, err := p.read(ctx, x, raw)
	if err != nil {
		return nil, err
	}
	return p.done(x, as)
}

// readReply takes the message out of the form.
func readReply(a *providers.Attempt, r providers.Reply) ([]byte, error) {
	if r.Method != "POST" {
		return nil, providers.Refuse("malformed", "not the POST binding")
	}
	// An artifact would make us call out to whoever it names.
	if r.Values.Has("SAMLart") || len(r.Values["SAMLResponse"]) != 1 {
		return nil, providers.Refuse("malformed", "not exactly one SAMLResponse")
	}
	if state := r.Values["RelayState"]; len(state) != 1 || state[0] != a.ID {
		return nil, providers.Refuse("state_invalid", "RelayState of another attempt")
	}
	return decodeMessage(r.Values.Get("SAMLResponse"))
}

func decodeMessage(encoded string) ([]byte, error) {
	if len(encoded) > maxEncoded {
		return nil, providers.Refuse("malformed", "%d bytes", len(encoded))
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) == 0 {
		return nil, providers.Refuse("malformed", "base64")
	}
	return raw, nil
}

// exchange is everything that one Response is held against.
type exchange struct {
	request      string // the ID of our request
	begun, now   time.Time
	skew         time.Duration
	idp, sp, acs string
	trust        trust
	decryption   decryption
	forced       bool          // the person had to sign in after our request
	maxAge       time.Duration // 0: any age
	classes      []string      // the authentication is of one of them; none: of any
}

// read is x.read. Where no known key has signed, the identity provider may have a new one: its metadata is
// fetched anew, and the message held against that.
func (p *provider) read(ctx context.Context, x exchange, raw []byte) (assertion, error) {
	as, err := x.read(raw)
	var e *providers.Error
	if errors.As(err, &e) && (e.Reason == "sig_untrusted" || e.Reason == "sig_invalid") {
		if idp := p.source.renew(ctx); idp != nil {
			x.trust.certs = idp.certs
			return x.read(raw)
		}
	}
	return as, err
}

// exchange returns what holds for every Response of an identity provider. The request is the caller's.
func (p *provider) exchange(ctx context.Context, idp *identityProvider) exchange {
	x := exchange{
		now: p.env.Now(), skew: p.cfg.Skew,
		idp: idp.entityID, sp: p.entityID, acs: p.acs,
		trust:      trust{certs: idp.certs, now: p.env.Now(), expired: p.cfg.AllowExpiredCertificate},
		decryption: p.decryption(ctx),
	}
	if p.cfg.AuthnContextComparison == "exact" {
		x.classes = p.cfg.AuthnContext
	}
	return x
}

// read verifies a Response and returns the verified assertion with its conditions checked. The libraries
// below it have panicked on input before: here that is a refusal like any other.
func (x exchange) read(raw []byte) (as assertion, err error) {
	defer func() {
		if v := recover(); v != nil {
			as, err = assertion{}, providers.Refuse("malformed", "panic in a library: %T", v)
		}
	}()
	response, err := parseMessage(raw, "Response")
	if err != nil {
		return as, err
	}
	verified, err := x.trust.verify(response)
	if err != nil {
		return as, err
	}
	if verified != nil {
		response = verified
	}
	if err := x.checkResponse(response, verified != nil); err != nil {
		return as, err
	}
	el, err := x.signedAssertion(response, verified != nil)
	if err != nil {
		return as, err
	}
	return x.readAssertion(el)
}

// signedAssertion returns the Response's single assertion, built from signed bytes: those of its own
// signature, or those of the Response's. Where both are signed, both must verify. What was encrypted is
// covered by the Response's signature too: that is over its ciphertext.
func (x exchange) signedAssertion(response *etree.Element, signed bool) (*etree.Element, error) {
	if len(children(response, nsAssertion, "EncryptedAssertion")) > 0 {
		var err error
		if response, err = x.decryption.decrypt(response, signed); err != nil {
			return nil, err
		}
	} else if x.decryption.must {
		return nil, providers.Refuse("not_encrypted", "plain assertion, where want_encrypted is set")
	}
	found := children(response, nsAssertion, "Assertion")
	if len(found) != 1 {
		return nil, providers.Refuse("not_one_assertion", "%d assertions", len(found))
	}
	verified, err := x.trust.verify(found[0])
	if err != nil {
		return nil, err
	}
	if verified != nil {
		return verified, nil
	}
	if !signed {
		return nil, providers.Refuse("sig_missing", "neither response nor assertion is signed")
	}
	return found[0], nil
}

// checkResponse holds the Response to the request it must answer (SAML core §3.2.2, profiles §4.1.4.2).
// Unless it is signed, this only finds what is wrong: nothing of it is used.
func (x exchange) checkResponse(el *etree.Element, signed bool) error {
	if attr(el, "Version") != "2.0" {
		return providers.Refuse("bad_version", "response is not of version 2.0")
	}
	if err := x.checkInResponseTo(el); err != nil {
		return err
	}
	destination := attr(el, "Destination")
	if destination != x.acs && (destination != "" || signed) {
		return providers.Refuse("bad_destination", "response is meant for another address")
	}
	if err := x.checkIssuer(el, false); err != nil {
		return err
	}
	issued, err := instant(el, "IssueInstant")
	switch {
	case err != nil:
		return err
	case issued.IsZero():
		return providers.Refuse("malformed", "response without IssueInstant")
	case issued.After(x.now.Add(x.skew)):
		return providers.Refuse("not_yet_valid", "response is from the future")
	case issued.Before(x.now.Add(-deliveryTime - x.skew)):
		return providers.Refuse("stale", "response is older than %s", deliveryTime)
	}
	return checkStatus(el)
}

// checkInResponseTo demands our request's ID, on Response and SubjectConfirmationData alike.
func (x exchange) checkInResponseTo(el *etree.Element) error {
	switch attr(el, "InResponseTo") {
	case x.request:
		return nil
	case "":
		return providers.Refuse("unsolicited", "%s answers no request", el.Tag)
	}
	return providers.Refuse("in_response_to", "%s answers another request", el.Tag)
}

func (x exchange) checkIssuer(el *etree.Element, required bool) error {
	issuer, err := only(el, nsAssertion, "Issuer")
	if err != nil {
		return err
	}
	if issuer == nil {
		if required {
			return providers.Refuse("bad_issuer", "%s without Issuer", el.Tag)
		}
		return nil
	}
	value, err := text(issuer)
	if err != nil {
		return err
	}
	if format := attr(issuer, "Format"); value != x.idp ||
		format != "" && format != "urn:oasis:names:tc:SAML:2.0:nameid-format:entity" {
		return providers.Refuse("bad_issuer", "%s of another issuer", el.Tag)
	}
	return nil
}

// checkStatus refuses everything but success. Of the codes, only the standard's own words reach the log.
func checkStatus(el *etree.Element) error {
	status, err := only(el, nsProtocol, "Status")
	if err != nil {
		return err
	}
	if status == nil {
		return providers.Refuse("malformed", "response without Status")
	}
	code, err := only(status, nsProtocol, "StatusCode")
	if err != nil {
		return err
	}
	if code == nil {
		return providers.Refuse("malformed", "response without StatusCode")
	}
	if attr(code, "Value") == statusSuccess {
		return nil
	}
	words := errors.New(statusWord(code))
	if second, _ := only(code, nsProtocol, "StatusCode"); second != nil {
		words = fmt.Errorf("%w, %s", words, statusWord(second))
	}
	return &providers.Error{Kind: providers.Invalid, Reason: "idp_error", Err: fmt.Errorf("identity provider says %w", words)}
}

func statusWord(code *etree.Element) string {
	word, ok := strings.CutPrefix(attr(code, "Value"), statusPrefix)
	if !ok || len(word) > 40 || strings.ContainsFunc(word, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' }) {
		return "another code"
	}
	return word
}
