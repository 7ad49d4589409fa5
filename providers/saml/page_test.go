package saml

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-broker/signet/providers"
)

var carried = regexp.MustCompile(`name="(SAMLRequest|RelayState)" value="([^"]*)"`)

// TestPeoplePage: the fake's page signs in whom the person chooses, and gives up when they cancel.
func TestPeoplePage(t *testing.T) {
	b := openFake(t, "", nil)
	for person, reason := range map[string]string{"joanna": "", "": "idp_error"} {
		attempt, sent := b.begin(t, providers.Attempt{})
		request, _ := http.NewRequest(http.MethodGet, sent, nil)
		status, text := page(t, request)
		if status != http.StatusOK || !strings.Contains(text, "<h1>Initech</h1>") || !strings.Contains(text, `id="person-joanna"`) || !strings.Contains(text, `id="cancel"`) {
			t.Fatalf("page = %d: %s", status, text)
		}
		form := url.Values{"person": {person}}
		for _, m := range carried.FindAllStringSubmatch(text, -1) {
			form.Set(m[1], strings.ReplaceAll(m[2], "&#43;", "+"))
		}
		request, _ = http.NewRequest(http.MethodPost, b.idp.URL+"/choose", strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, text = page(t, request)
		next, err := b.p.Continue(t.Context(), attempt, providers.Reply{Method: http.MethodPost, Values: posted(text)})
		if reason != "" {
			wantReason(t, err, reason)
		} else if err != nil || next.(providers.Done).Identity.Subject != person {
			t.Errorf("Continue = %v, %v, want %s", next, err, person)
		}
	}
}
