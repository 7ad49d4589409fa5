package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// buttons are the ids of the choose page's buttons, in their order.
func (p *page) buttons() (ids []string) {
	p.find(func(n *html.Node) bool {
		if id, ok := strings.CutPrefix(attribute(n, "id"), "provider-"); ok {
			ids = append(ids, id)
		}
		return false
	})
	return ids
}

func (b *browser) choosePage() *page {
	b.w.t.Helper()
	p := b.authorize(webApp, nil)
	if p.status != http.StatusSeeOther {
		b.w.t.Fatalf("authorize = %v", p)
	}
	return b.get(p.location.String())
}

func TestTheProviderUsedLastIsOfferedFirst(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	if first := b.choosePage().buttons(); first[0] != "globex" {
		t.Fatalf("a new browser is offered %v", first)
	}
	b.signIn(webApp, "hooli", "ann")
	b.keep(sessionCookie, "")
	p := b.choosePage()
	if got := p.buttons(); got[0] != "hooli" || len(got) != 4 || !strings.Contains(p.body, "Last used") {
		t.Errorf("after a sign-in at hooli, %v is offered", got)
	}
	// What a browser says there is only a wish.
	b.keep("signet-last", "nobody<script>")
	if got := b.choosePage().buttons(); got[0] != "globex" || len(got) != 4 {
		t.Errorf("with another cookie, %v is offered", got)
	}
}

func TestManyProvidersAreFoundByEmailFirst(t *testing.T) {
	w := newWorld(t, func(config string) string {
		var more strings.Builder
		for i := range 12 {
			fmt.Fprintf(&more, "  - {id: corp-%d, kind: oidc, name: Corp %d, issuer: %q, client_id: signet, client_secret: globex-secret, domains: [corp%d.example]}\n", i, i, "https://corp.example", i)
		}
		return strings.Replace(config, "  - id: local\n", more.String()+"  - id: local\n", 1)
	})
	b := w.browser()
	p := b.choosePage()
	if got := strings.Join(p.buttons(), " "); got != "globex initech local" {
		t.Errorf("buttons: %s; want those that no address finds", got)
	}
	if email, button := strings.Index(p.body, `id="email"`), strings.Index(p.body, `id="provider-globex"`); email < 0 || email > button {
		t.Errorf("the address is asked for at %d, the first button is at %d", email, button)
	}
	b.signIn(webApp, "hooli", "ann")
	b.keep(sessionCookie, "")
	if got := strings.Join(b.choosePage().buttons(), " "); got != "hooli globex initech local" {
		t.Errorf("buttons: %s; want the one used last among them", got)
	}
}
