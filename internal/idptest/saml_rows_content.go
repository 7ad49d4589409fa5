package idptest

import (
	"strings"
	"time"

	"github.com/beevik/etree"
)

const (
	skewed  = 30 * time.Second // within every clock's tolerance
	century = 100 * 365 * 24 * time.Hour
)

const data = "Subject/SubjectConfirmation/SubjectConfirmationData"

// samlSubject is signed by the honest key, and wrong in its Subject.
var samlSubject = []SAMLRow{
	refused("S-91", "Recipient is another service's", "bad_recipient", attribute(data, "Recipient", "https://other.example/saml/acs")),
	refused("S-92", "Recipient is ours with a suffix", "bad_recipient", func(a *Answer) {
		attribute(data, "Recipient", a.Request.ACS+".evil.test")(a)
	}),
	refused("S-93", "Recipient is another provider's at our host", "bad_recipient", func(a *Answer) {
		attribute(data, "Recipient", otherProvider(a.Request.ACS))(a)
	}),
	refused("S-102", "confirmation over for 10 minutes", "expired", moment(data, "NotOnOrAfter", -10*time.Minute)),
	refused("S-103", "NotOnOrAfter in 100 years, everywhere", "too_long", func(a *Answer) {
		moment(data, "NotOnOrAfter", century)(a)
		moment("Conditions", "NotOnOrAfter", century)(a)
	}),
	refused("S-103b", "confirmation for 100 years", "too_long", moment(data, "NotOnOrAfter", century)),
	refused("S-103c", "confirmation without an end", "no_bearer", without(data, "NotOnOrAfter")),
	refused("S-106", "no SubjectConfirmation", "no_bearer", remove("Subject/SubjectConfirmation")),
	refused("S-107", "SubjectConfirmation without data", "no_bearer", remove(data)),
	refused("S-108", "no Subject", "no_subject", remove("Subject")),
	refused("S-111", "holder-of-key", "no_bearer", attribute("Subject/SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")),
	refused("S-112", "bearer confirmation with NotBefore", "no_bearer", moment(data, "NotBefore", -time.Minute)),
	refused("S-123", "empty NameID", "no_subject", nameID("")),
	refused("S-123b", "NameID of white space", "no_subject", nameID("  ")),
	refused("S-123c", "NameID with white space at its end", "no_subject", nameID("peter ")),
	refused("S-123d", "NameID with a control character", "no_subject", nameID("peter\tx")),
	refused("S-123e", "NameID of 256 bytes", "no_subject", nameID(strings.Repeat("x", 256))),
	refused("S-123f", "element inside NameID", "malformed", func(a *Answer) { add(a.In("Subject/NameID"), "saml:x") }),
	refused("S-123g", "no NameID", "no_subject", remove("Subject/NameID")),
	refused("S-124", "two NameID", "no_subject", func(a *Answer) {
		second := a.In("Subject/NameID").Copy()
		second.SetText("evil")
		a.In("Subject").InsertChildAt(1, second)
	}),
	refused("S-124b", "two Subjects", "malformed", func(a *Answer) { a.Assertion.AddChild(a.In("Subject").Copy()) }),
	refused("S-126", "transient NameID", "unstable_id", attribute("Subject/NameID", "Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient")),
	refused("S-127", "two attributes of one Name", "dup_attribute", func(a *Answer) {
		addAttribute(a.In("AttributeStatement"), "email", "evil@initech.example")
	}),
	refused("S-127b", "two attributes of one Name in two statements", "dup_attribute", func(a *Answer) {
		addAttribute(add(a.Assertion, "saml:AttributeStatement"), "email", "evil@initech.example")
	}),
}

// samlConditions is signed by the honest key, and not meant for us, or not for now.
var samlConditions = []SAMLRow{
	refused("S-87", "Audience is another service", "bad_audience", text("Conditions/AudienceRestriction/Audience", "https://other.example")),
	refused("S-88", "no AudienceRestriction", "bad_audience", remove("Conditions/AudienceRestriction")),
	refused("S-89", "two AudienceRestrictions, one wrong", "bad_audience", func(a *Answer) {
		add(add(a.In("Conditions"), "saml:AudienceRestriction"), "saml:Audience").SetText("https://other.example")
	}),
	refused("S-94", "Destination is another service's", "bad_destination", onResponse("Destination", "https://other.example/saml/acs")),
	refused("S-94b", "signed Response without Destination", "bad_destination", func(a *Answer) {
		a.Response.RemoveAttr("Destination")
		a.SignResponse = a.sign(a.IDP.key)
	}),
	refused("S-96", "Destination is a path", "bad_destination", func(a *Answer) {
		_, path, _ := strings.Cut(strings.SplitN(a.Request.ACS, "://", 2)[1], "/")
		onResponse("Destination", "/"+path)(a)
	}),
	refused("S-97", "Destination is ours at another host", "bad_destination", func(a *Answer) {
		_, path, _ := strings.Cut(strings.SplitN(a.Request.ACS, "://", 2)[1], "/")
		onResponse("Destination", "https://other.example/"+path)(a)
	}),
	refused("S-98", "NotBefore in 10 minutes", "not_yet_valid", moment("Conditions", "NotBefore", 10*time.Minute)),
	refused("S-99", "NotBefore in 2 minutes", "not_yet_valid", moment("Conditions", "NotBefore", 2*time.Minute)),
	refused("S-99b", "assertion issued in 2 minutes", "not_yet_valid", moment("", "IssueInstant", 2*time.Minute)),
	refused("S-99c", "Response issued in 2 minutes", "not_yet_valid", func(a *Answer) {
		onResponse("IssueInstant", a.At(2*time.Minute))(a)
	}),
	refused("S-101", "over for 2 minutes", "expired", moment("Conditions", "NotOnOrAfter", -2*time.Minute)),
	refused("S-103d", "Conditions for 100 years", "too_long", moment("Conditions", "NotOnOrAfter", century)),
	refused("S-104", "Response issued 5 minutes ago", "stale", func(a *Answer) {
		onResponse("IssueInstant", a.At(-5*time.Minute))(a)
	}),
	refused("S-104b", "assertion issued before the request", "stale", moment("", "IssueInstant", -30*time.Minute)),
	refused("S-104c", "IssueInstant is no time", "malformed", attribute("", "IssueInstant", "yesterday")),
	refused("S-109", "no Conditions", "bad_audience", remove("Conditions")),
	refused("S-113", "Assertion's Issuer is another", "bad_issuer", text("Issuer", "https://other-idp.example")),
	refused("S-113b", "no Issuer", "bad_issuer", remove("Issuer")),
	refused("S-114", "Response's Issuer is another", "bad_issuer", func(a *Answer) {
		a.Response.SelectElement("Issuer").SetText("https://other-idp.example")
	}),
	refused("S-116", "AuthnFailed with a good assertion", "idp_error", func(a *Answer) { a.setStatus("AuthnFailed") }),
	refused("S-116b", "AuthnFailed, signed, without assertion", "idp_error", func(a *Answer) { a.fail("AuthnFailed") }),
	refused("S-116c", "no Status", "malformed", func(a *Answer) {
		a.Response.RemoveChild(a.Response.SelectElement("Status"))
	}),
	refused("S-117", "no AuthnStatement", "no_authn", remove("AuthnStatement")),
	refused("S-118", "session over", "expired", moment("AuthnStatement", "SessionNotOnOrAfter", -10*time.Minute)),
	refused("S-118b", "authentication in the future", "not_yet_valid", moment("AuthnStatement", "AuthnInstant", 10*time.Minute)),
	// Refused where a new sign-in was asked for; otherwise an old session at the provider is its own matter.
	{
		Row: Row{ID: "S-119", Name: "AuthnInstant a year old, where ForceAuthn was asked", Reason: "stale_auth"}, Forced: true,
		Alter: moment("AuthnStatement", "AuthnInstant", -365*24*time.Hour),
	},
	refused("S-121", "unknown condition", "unknown_condition", func(a *Answer) {
		set(add(a.In("Conditions"), "x:Moon"), "xmlns:x", "urn:x")
	}),
	refused("S-121b", "condition of an unknown type", "unknown_condition", func(a *Answer) {
		add(a.In("Conditions"), "saml:Condition")
	}),
}

// samlFlow answers something else than what was asked.
var samlFlow = []SAMLRow{
	refused("S-152", "InResponseTo is another request's", "in_response_to", func(a *Answer) {
		onResponse("InResponseTo", "_other")(a)
		attribute(data, "InResponseTo", "_other")(a)
	}),
	refused("S-153", "Response answers our request, its Subject another", "in_response_to", attribute(data, "InResponseTo", "_other")),
	refused("S-153b", "the other way round", "in_response_to", onResponse("InResponseTo", "_other")),
	refused("S-154", "unsolicited", "unsolicited", func(a *Answer) {
		a.Response.RemoveAttr("InResponseTo")
		a.In(data).RemoveAttr("InResponseTo")
	}),
	refused("S-154b", "Subject answers no request", "unsolicited", without(data, "InResponseTo")),
}

// in is the element at a path; "" is the assertion itself.
func (a *Answer) in(path string) *etree.Element {
	if path == "" {
		return a.Assertion
	}
	return a.In(path)
}

func attribute(path, key, value string) func(*Answer) {
	return func(a *Answer) { a.in(path).CreateAttr(key, value) }
}

func moment(path, key string, d time.Duration) func(*Answer) {
	return func(a *Answer) { a.in(path).CreateAttr(key, a.At(d)) }
}

func without(path, key string) func(*Answer) {
	return func(a *Answer) { a.in(path).RemoveAttr(key) }
}

func remove(path string) func(*Answer) {
	return func(a *Answer) { el := a.In(path); el.Parent().RemoveChild(el) }
}

func text(path, value string) func(*Answer) {
	return func(a *Answer) { a.In(path).SetText(value) }
}

func nameID(value string) func(*Answer) { return text("Subject/NameID", value) }

func onResponse(key, value string) func(*Answer) {
	return func(a *Answer) { a.Response.CreateAttr(key, value) }
}

// otherProvider is the ACS of another provider at the same host.
func otherProvider(acs string) string {
	base := strings.TrimSuffix(acs, "/acs")
	return base[:strings.LastIndex(base, "/")+1] + "another/acs"
}
