package idptest

import "net/url"

// Unsolicited makes a Response that answers no request, as an identity provider sends it when the sign-in
// begins there, to a service provider and its address. It is as row wants, or honest when row is nil.
func (s *SAML) Unsolicited(entityID, acs string, row *SAMLRow) (url.Values, error) {
	person, ok := s.person(s.opts.SignIn)
	if !ok {
		person = s.opts.People[0]
	}
	a := s.honest(SAMLRequest{Issuer: entityID, ACS: acs}, person)
	a.Response.RemoveAttr("InResponseTo")
	a.In("Subject/SubjectConfirmation/SubjectConfirmationData").RemoveAttr("InResponseTo")
	if row != nil && row.Alter != nil {
		row.Alter(a)
	}
	return a.finish()
}
