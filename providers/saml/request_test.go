package saml

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	crewjam "github.com/crewjam/saml"
	"github.com/signet-broker/signet/providers"
)

// page fetches a page of the fake and returns its status and text.
func page(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

var hidden = regexp.MustCompile(`name="(SAMLResponse|RelayState)" value="([^"]*)"`)

// posted reads the form that the fake has the browser post.
func posted(text string) url.Values {
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(text, -1) {
		form.Add(m[1], strings.ReplaceAll(m[2], "&#43;", "+"))
	}
	return form
}

// TestRedirectBinding goes through a real identity provider that verifies the request.
func TestRedirectBinding(t *testing.T) {
	b := openTest(t, nil)
	attempt, sent := b.begin(t, providers.Attempt{})
	request, _ := http.NewRequest(http.MethodGet, sent, nil)
	status, text := page(t, request)
	if status != http.StatusOK {
		t.Fatalf("identity provider says %d: %s", status, text)
	}
	next, err := b.p.Continue(t.Context(), attempt, providers.Reply{Method: http.MethodPost, Values: posted(text)})
	if err != nil || next.(providers.Done).Identity.Subject != "peter" {
		t.Fatalf("Continue = %v, %v, want peter", next, err)
	}

	// One changed byte of what is signed must be noticed there.
	for _, part := range []string{"RelayState=", "SAMLRequest="} {
		i := strings.Index(sent, part) + len(part)
		changed := "A"
		if sent[i] == 'A' {
			changed = "B"
		}
		request, _ := http.NewRequest(http.MethodGet, sent[:i]+changed+sent[i+1:], nil)
		if status, text := page(t, request); status != http.StatusBadRequest {
			t.Errorf("changed %s: identity provider says %d: %.80s", part, status, text)
		}
	}
}

func TestPostBinding(t *testing.T) {
	b := openTest(t, func(c *Config) { c.Binding = "post" })
	for _, signed := range []bool{true, false} {
		a := providers.Attempt{ID: rand.Text(), Begun: b.now()}
		next, err := b.p.Begin(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		post := next.(providers.Post)
		if !signed {
			raw, _ := base64.StdEncoding.DecodeString(post.Fields.Get("SAMLRequest"))
			altered := strings.Replace(string(raw), `Version="2.0"`, `Version="2.0" ForceAuthn="true"`, 1)
			post.Fields.Set("SAMLRequest", base64.StdEncoding.EncodeToString([]byte(altered)))
		}
		request, _ := http.NewRequest(http.MethodPost, post.URL, strings.NewReader(post.Fields.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		status, text := page(t, request)
		if (status == http.StatusOK) != signed {
			t.Fatalf("identity provider says %d to signed=%v: %s", status, signed, text)
		}
		if !signed {
			continue
		}
		if _, err := b.p.Continue(t.Context(), &a, providers.Reply{Method: http.MethodPost, Values: posted(text)}); err != nil {
			t.Errorf("Continue = %v", err)
		}
	}
}

// TestRedirectQuery (S-166): whatever is in RelayState or in the address, there is one of each parameter.
func TestRedirectQuery(t *testing.T) {
	request := openTest(t, nil).p.authnRequest("_1", "https://idp.example/sso?tenant=a%20b&x=1", false)
	evil := "x&SAMLRequest=evil&SigAlg=none#f +%"
	next, err := redirect(request, "SAMLRequest", evil, ourKey())
	if err != nil {
		t.Fatal(err)
	}
	u := parse(t, next.(providers.Redirect).URL)
	q := u.Query()
	for _, key := range []string{"SAMLRequest", "RelayState", "SigAlg", "Signature", "tenant"} {
		if len(q[key]) != 1 {
			t.Errorf("%s = %q, want it once", key, q[key])
		}
	}
	if q.Get("RelayState") != evil || q.Get("tenant") != "a b" || u.Fragment != "" {
		t.Errorf("URL = %s, want RelayState and tenant as they were", u)
	}
	if !strings.HasPrefix(u.RawQuery, "tenant=a%20b&x=1&SAMLRequest=") {
		t.Errorf("query = %.60s, want the address's own in front", u.RawQuery)
	}
}

func TestForceAuthn(t *testing.T) {
	for name, test := range map[string]struct {
		attempt providers.Attempt
		config  bool
		want    bool
	}{
		"as it is":         {},
		"force login":      {attempt: providers.Attempt{ForceLogin: true}, want: true},
		"max age":          {attempt: providers.Attempt{MaxAge: 60e9}, want: true},
		"another account":  {attempt: providers.Attempt{SelectUser: true}, want: true},
		"by configuration": {config: true, want: true},
	} {
		b := openTest(t, func(c *Config) { c.ForceAuthn = test.config })
		_, sent := b.begin(t, test.attempt)
		raw := inflate(t, parse(t, sent).Query().Get("SAMLRequest"))
		if got := strings.Contains(raw, `ForceAuthn="true"`); got != test.want {
			t.Errorf("%s: ForceAuthn is %v, want %v", name, got, test.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	b := openTest(t, nil)
	contentType, document, err := b.p.Describe(t.Context())
	if err != nil || contentType != "application/samlmetadata+xml" {
		t.Fatalf("Describe = %s, %v", contentType, err)
	}
	var e crewjam.EntityDescriptor
	if err := xml.Unmarshal(document, &e); err != nil {
		t.Fatal(err)
	}
	if e.EntityID != "https://signet.example/saml/initech/metadata" || len(e.SPSSODescriptors) != 1 {
		t.Fatalf("metadata = %s", document)
	}
	role := e.SPSSODescriptors[0]
	acs := role.AssertionConsumerServices
	if len(acs) != 1 || acs[0].Location != "https://signet.example/saml/initech/acs" || acs[0].Binding != crewjam.HTTPPostBinding ||
		acs[0].Index != 0 || acs[0].IsDefault == nil || !*acs[0].IsDefault {
		t.Errorf("AssertionConsumerServices = %+v, want ours by POST", acs)
	}
	var uses []string
	for _, k := range role.KeyDescriptors {
		if uses = append(uses, k.Use); k.KeyInfo.X509Data.X509Certificates[0].Data != base64.StdEncoding.EncodeToString(ourKey().Certificate[0]) {
			t.Errorf("certificate for %s is not ours", k.Use)
		}
	}
	if role.WantAssertionsSigned == nil || !*role.WantAssertionsSigned || !slices.Equal(uses, []string{"signing", "encryption"}) {
		t.Errorf("metadata = %s, want our certificate for both uses", document)
	}
	// Products that check the schema want this order (SAML metadata §2.4.1, §2.4.2, §2.4.4).
	order := []string{"<KeyDescriptor", "<EncryptionMethod", "<SingleLogoutService", "<NameIDFormat", "<AssertionConsumerService"}
	at := -1
	for _, tag := range order {
		next := strings.Index(string(document), tag)
		if next < at {
			t.Errorf("%s stands too early or not at all", tag)
		}
		at = next
	}
	slo := role.SingleLogoutServices
	if len(slo) != 2 || slo[0].Location != "https://signet.example/saml/initech/slo" || slo[0].Binding != bindingRedirect || slo[1].Binding != bindingPost {
		t.Errorf("SingleLogoutServices = %+v", slo)
	}
	if strings.Contains(string(document), "-cbc") || strings.Contains(string(document), "validUntil") {
		t.Errorf("metadata = %s", document)
	}
}
