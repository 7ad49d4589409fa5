package idptest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

//go:embed saml_*.html
var samlPages embed.FS

var samlTemplates = template.Must(template.ParseFS(samlPages, "saml_*.html"))

// sso takes an AuthnRequest by either binding, signed by the service provider that it names.
func (s *SAML) sso(w http.ResponseWriter, r *http.Request) {
	request, err := s.accept(r)
	if err != nil {
		http.Error(w, "request refused: "+err.Error(), http.StatusBadRequest)
		return
	}
	if person, ok := s.person(s.opts.SignIn); ok {
		s.send(w, r, request, &person)
		return
	}
	s.page(w, "saml_people.html", map[string]any{
		"Company": s.opts.Name, "People": s.opts.People,
		"Request": r.FormValue("SAMLRequest"), "RelayState": r.FormValue("RelayState"),
	})
}

// choose is the page's form. It carries the request on; who may be answered was checked, and is again.
func (s *SAML) choose(w http.ResponseWriter, r *http.Request) {
	request, err := readRequest(r.FormValue("SAMLRequest"))
	if err == nil {
		err = s.check(r.Context(), request)
	}
	if err != nil {
		http.Error(w, "request refused: "+err.Error(), http.StatusBadRequest)
		return
	}
	if person, ok := s.person(r.FormValue("person")); ok {
		s.send(w, r, request, &person)
		return
	}
	s.send(w, r, request, nil)
}

// send posts a Response through the browser; without a person, that the sign-in was given up.
func (s *SAML) send(w http.ResponseWriter, r *http.Request, request SAMLRequest, person *Person) {
	var a *Answer
	if person != nil {
		a = s.honest(request, *person)
	} else {
		a = s.honest(request, s.opts.People[0])
		a.fail("AuthnFailed")
	}
	form, err := a.finish()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.page(w, "saml_post.html", map[string]any{
		"Company": s.opts.Name, "ACS": request.ACS,
		"Response": form.Get("SAMLResponse"), "RelayState": r.FormValue("RelayState"),
	})
}

// fail makes the answer one without an assertion, whose status is that of a sign-in that did not happen.
func (a *Answer) fail(word string) {
	a.Response.RemoveChild(a.Assertion)
	a.SignAssertion, a.SignResponse = nil, a.sign(a.IDP.key)
	a.setStatus(word)
}

func (a *Answer) setStatus(word string) {
	code := a.Response.FindElement("./Status/StatusCode")
	code.CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
	set(add(code, "samlp:StatusCode"), "Value", "urn:oasis:names:tc:SAML:2.0:status:"+word)
}

func (s *SAML) page(w http.ResponseWriter, name string, data any) {
	var page bytes.Buffer
	if err := samlTemplates.ExecuteTemplate(&page, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(page.Bytes())
}

// accept reads a request and checks what an identity provider must: who sent it, that it was signed by
// them, and that the answer goes to an address of theirs.
func (s *SAML) accept(r *http.Request) (SAMLRequest, error) {
	if err := r.ParseForm(); err != nil {
		return SAMLRequest{}, err
	}
	values := r.Form["SAMLRequest"]
	if len(values) != 1 || len(r.Form["RelayState"]) > 1 {
		return SAMLRequest{}, errors.New("not exactly one SAMLRequest")
	}
	request, err := readRequest(values[0])
	if err != nil {
		return request, err
	}
	if err := s.check(r.Context(), request); err != nil {
		return request, err
	}
	sp, err := s.serviceProvider(r.Context(), request.Issuer)
	if err != nil {
		return request, err
	}
	if r.Method == http.MethodPost {
		return request, checkPosted(values[0], sp.keys())
	}
	return request, CheckRedirect(r.URL.RawQuery, sp.keys())
}

func (s *SAML) check(ctx context.Context, request SAMLRequest) error {
	sp, err := s.serviceProvider(ctx, request.Issuer)
	if err != nil {
		return err
	}
	if request.ID == "" || request.Destination != s.URL+"/sso" {
		return fmt.Errorf("destination %q is not here", request.Destination)
	}
	for _, acs := range sp.Role.ACS {
		if acs.Location == request.ACS {
			return nil
		}
	}
	return errors.New("answer wanted at an address that is not the service provider's")
}

// CheckRedirect verifies the signature of a query (SAML bindings §3.4.4.1) with one of the certificates.
func CheckRedirect(rawQuery string, certs []*x509.Certificate) error {
	escaped := map[string]string{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if _, twice := escaped[key]; twice {
			return fmt.Errorf("%s given twice", key)
		}
		escaped[key] = value
	}
	algorithm, err := url.QueryUnescape(escaped["SigAlg"])
	if err != nil || algorithm != rsaSHA256 {
		return errors.New("request is not signed with rsa-sha256")
	}
	encoded, err := url.QueryUnescape(escaped["Signature"])
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return err
	}
	parameter := "SAMLRequest"
	if _, ok := escaped["SAMLResponse"]; ok {
		parameter = "SAMLResponse"
	}
	signed := parameter + "=" + escaped[parameter]
	if relayState, ok := escaped["RelayState"]; ok {
		signed += "&RelayState=" + relayState
	}
	sum := sha256.Sum256([]byte(signed + "&SigAlg=" + escaped["SigAlg"]))
	for _, cert := range certs {
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil {
			return nil
		}
	}
	return errors.New("signature of the request does not verify")
}

// checkPosted verifies the signature inside of a posted request, which must be the root's own.
func checkPosted(parameter string, certs []*x509.Certificate) error {
	raw, err := base64.StdEncoding.DecodeString(parameter)
	if err != nil {
		return err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil {
		return err
	}
	children := doc.Root().ChildElements()
	if !slices.ContainsFunc(children, func(c *etree.Element) bool { return c.Tag == "Signature" }) || children[1].Tag != "Signature" {
		return errors.New("request is not signed after its Issuer")
	}
	verify := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: certs})
	verify.Clock = dsig.NewFakeClockAt(time.Now())
	_, err = verify.Validate(doc.Root())
	return err
}
