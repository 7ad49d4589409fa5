package saml

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/beevik/etree"
	"github.com/signet-broker/signet/providers"
)

const (
	formatTransient  = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	formatPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	formatEmail      = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	methodBearer     = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // a name of the standard
)

// assertion is what a verified assertion says.
type assertion struct {
	id         string
	until      time.Time // it is refused from then on, whatever else holds
	nameID     nameID    // zero: it has none
	attributes map[string][]string
	authn      authn
}

type nameID struct{ value, format, qualifier, spQualifier string }

// authn is the single AuthnStatement.
type authn struct {
	at      time.Time
	session string
	class   string
}

// readAssertion reads an element that comes out of a verified signature and refuses it unless it is meant
// for us, now, and in answer to our request (SAML profiles §4.1.4.2 and §4.1.4.3).
func (x exchange) readAssertion(el *etree.Element) (assertion, error) {
	as := assertion{id: attr(el, "ID")}
	if attr(el, "Version") != "2.0" {
		return as, providers.Refuse("bad_version", "assertion is not of version 2.0")
	}
	if as.id == "" {
		return as, providers.Refuse("malformed", "assertion without ID")
	}
	if err := x.checkIssuer(el, true); err != nil {
		return as, err
	}
	issued, err := x.issued(el)
	if err != nil {
		return as, err
	}
	if err := x.readSubject(el, &as, issued); err != nil {
		return as, err
	}
	if err := x.checkConditions(el, &as, issued); err != nil {
		return as, err
	}
	if as.authn, err = x.readAuthn(el); err != nil {
		return as, err
	}
	if err := x.checkClass(as.authn); err != nil {
		return as, err
	}
	as.attributes, err = readAttributes(el)
	return as, err
}

// issued returns the assertion's IssueInstant: after our request, and not in the future.
func (x exchange) issued(el *etree.Element) (time.Time, error) {
	issued, err := instant(el, "IssueInstant")
	switch {
	case err != nil:
		return issued, err
	case issued.IsZero():
		return issued, providers.Refuse("malformed", "assertion without IssueInstant")
	case issued.After(x.now.Add(x.skew)):
		return issued, providers.Refuse("not_yet_valid", "assertion is from the future")
	case issued.Before(x.begun.Add(-x.skew)):
		return issued, providers.Refuse("stale", "assertion is older than our request")
	}
	return issued, nil
}

// readSubject reads NameID and the one bearer confirmation, without which nothing binds the assertion to
// this address, this request and this moment.
func (x exchange) readSubject(el *etree.Element, as *assertion, issued time.Time) error {
	subject, err := only(el, nsAssertion, "Subject")
	if err != nil {
		return err
	}
	if subject == nil {
		return providers.Refuse("no_subject", "assertion without Subject")
	}
	if as.nameID, err = readNameID(subject); err != nil {
		return err
	}
	bearers := slices.DeleteFunc(children(subject, nsAssertion, "SubjectConfirmation"), func(c *etree.Element) bool {
		return attr(c, "Method") != methodBearer
	})
	if len(bearers) != 1 {
		return providers.Refuse("no_bearer", "%d bearer confirmations", len(bearers))
	}
	data, err := only(bearers[0], nsAssertion, "SubjectConfirmationData")
	if err != nil {
		return err
	}
	if data == nil || attr(data, "NotBefore") != "" {
		return providers.Refuse("no_bearer", "confirmation without data, or with NotBefore")
	}
	if attr(data, "Recipient") != x.acs {
		return providers.Refuse("bad_recipient", "assertion is meant for another address")
	}
	if err := x.checkInResponseTo(data); err != nil {
		return err
	}
	as.until, err = x.end(data, issued.Add(bearerLifetime))
	if err == nil && as.until.IsZero() {
		return providers.Refuse("no_bearer", "confirmation without an end")
	}
	return err
}

// end returns when an element stops to hold, zero when it does not say: not before now, and not after latest.
func (x exchange) end(el *etree.Element, latest time.Time) (time.Time, error) {
	t, err := instant(el, "NotOnOrAfter")
	switch {
	case err != nil || t.IsZero():
		return t, err
	case !t.After(x.now.Add(-x.skew)):
		return t, providers.Refuse("expired", "%s is over", el.Tag)
	case t.After(latest.Add(x.skew)):
		return t, providers.Refuse("too_long", "%s holds for too long", el.Tag)
	}
	return t, nil
}

func readNameID(subject *etree.Element) (nameID, error) {
	if len(children(subject, nsAssertion, "EncryptedID")) > 0 {
		return nameID{}, providers.Refuse("encrypted_unsupported", "encrypted NameID")
	}
	found := children(subject, nsAssertion, "NameID")
	if len(found) == 0 {
		return nameID{}, nil
	}
	value, err := text(found[0])
	if err != nil {
		return nameID{}, err
	}
	if len(found) > 1 || !goodSubject(value) {
		return nameID{}, providers.Refuse("no_subject", "not one usable NameID")
	}
	return nameID{
		value: value, format: attr(found[0], "Format"),
		qualifier: attr(found[0], "NameQualifier"), spQualifier: attr(found[0], "SPNameQualifier"),
	}, nil
}

// goodSubject tells whether a value can name a person: two that look alike must not be two.
func goodSubject(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, unicode.IsControl)
}

// checkConditions demands Conditions whose every part is understood and holds (SAML core §2.5.1).
func (x exchange) checkConditions(el *etree.Element, as *assertion, issued time.Time) error {
	conditions, err := only(el, nsAssertion, "Conditions")
	if err != nil {
		return err
	}
	if conditions == nil {
		return providers.Refuse("bad_audience", "assertion without Conditions")
	}
	start, err := instant(conditions, "NotBefore")
	if err != nil {
		return err
	}
	if start.After(x.now.Add(x.skew)) {
		return providers.Refuse("not_yet_valid", "conditions do not hold yet")
	}
	end, err := x.end(conditions, issued.Add(conditionsLifetime))
	if err != nil {
		return err
	}
	if !end.IsZero() && end.Before(as.until) {
		as.until = end
	}
	restrictions := 0
	for _, c := range conditions.ChildElements() {
		switch known := c.NamespaceURI() == nsAssertion; {
		case known && c.Tag == "AudienceRestriction":
			restrictions++
			if !slices.ContainsFunc(children(c, nsAssertion, "Audience"), func(a *etree.Element) bool { v, err := text(a); return err == nil && v == x.sp }) {
				return providers.Refuse("bad_audience", "assertion is meant for another service")
			}
		case known && (c.Tag == "OneTimeUse" || c.Tag == "ProxyRestriction"):
			// Every assertion is taken once, and none is passed on.
		default:
			return providers.Refuse("unknown_condition", "condition that is not understood")
		}
	}
	if restrictions == 0 {
		return providers.Refuse("bad_audience", "assertion without AudienceRestriction")
	}
	return nil
}

// readAuthn reads the one AuthnStatement and refuses a session that is over, and an authentication that is
// older than what was asked for.
func (x exchange) readAuthn(el *etree.Element) (authn, error) {
	statement, err := only(el, nsAssertion, "AuthnStatement")
	if err != nil {
		return authn{}, err
	}
	if statement == nil {
		return authn{}, providers.Refuse("no_authn", "assertion without AuthnStatement")
	}
	at, err := instant(statement, "AuthnInstant")
	if err != nil {
		return authn{}, err
	}
	ends, err := instant(statement, "SessionNotOnOrAfter")
	if err != nil {
		return authn{}, err
	}
	switch {
	case at.IsZero():
		return authn{}, providers.Refuse("malformed", "statement without AuthnInstant")
	case at.After(x.now.Add(x.skew)):
		return authn{}, providers.Refuse("not_yet_valid", "authentication is in the future")
	case !ends.IsZero() && !ends.After(x.now.Add(-x.skew)):
		return authn{}, providers.Refuse("expired", "session of the identity provider is over")
	case x.forced && at.Before(x.begun.Add(-x.skew)), x.maxAge > 0 && at.Before(x.now.Add(-x.maxAge-x.skew)):
		return authn{}, providers.Refuse("stale_auth", "authentication is older than asked for")
	}
	a := authn{at: at, session: attr(statement, "SessionIndex")}
	context, err := only(statement, nsAssertion, "AuthnContext")
	if err != nil || context == nil {
		return a, err
	}
	class, err := only(context, nsAssertion, "AuthnContextClassRef")
	if err != nil || class == nil {
		return a, err
	}
	a.class, err = text(class)
	return a, err
}

// checkClass refuses an authentication that is not of a class that was asked for by name.
func (x exchange) checkClass(a authn) error {
	if len(x.classes) > 0 && !slices.Contains(x.classes, a.class) {
		return providers.Refuse("weak_acr", "authentication of another class than asked for")
	}
	return nil
}

// readAttributes returns the attributes by their Name. FriendlyName is decoration that an identity provider
// may set to another attribute's Name; it is not read.
func readAttributes(el *etree.Element) (map[string][]string, error) {
	out := map[string][]string{}
	for _, statement := range children(el, nsAssertion, "AttributeStatement") {
		for _, a := range statement.ChildElements() {
			if a.NamespaceURI() != nsAssertion || a.Tag != "Attribute" {
				return nil, providers.Refuse("encrypted_unsupported", "attribute statement with %s", a.Tag)
			}
			name := attr(a, "Name")
			if _, twice := out[name]; twice || name == "" {
				return nil, providers.Refuse("dup_attribute", "attribute without a name or given twice")
			}
			values := []string{}
			for _, v := range children(a, nsAssertion, "AttributeValue") {
				if len(v.ChildElements()) == 0 { // a structured value has no text of its own
					values = append(values, v.Text())
				}
			}
			out[name] = values
		}
	}
	return out, nil
}
