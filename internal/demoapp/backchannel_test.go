package demoapp

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ended posts a logout token of the provider's to an app and returns the status. alter may change its claims.
func (o *op) ended(app *App, alter func(claims map[string]any)) int {
	claims := map[string]any{
		"iss": o.URL, "aud": clientID, "sub": "u1", "sid": "s1", "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if alter != nil {
		alter(claims)
	}
	form := url.Values{"logout_token": {o.jwt(claims)}}
	r := httptest.NewRequestWithContext(o.t.Context(), http.MethodPost, "http://127.0.0.1:5555/backchannel", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w.Code
}

func TestSignedOutElsewhere(t *testing.T) {
	o := newOP(t)
	v := newVisitor(t, o)
	person := func(sub, sid string) *visitor {
		o.alter = func(c map[string]any) { c["sub"], c["sid"] = sub, sid }
		other := &visitor{t: t, app: v.app, jar: map[string]string{}}
		other.signIn(o)
		return other
	}
	ann, again, bob := person("u1", "s1"), person("u1", "s2"), person("u2", "s3")
	for name, alter := range map[string]func(c map[string]any){
		"of another issuer":    func(c map[string]any) { c["iss"] = "https://evil.example" },
		"for another app":      func(c map[string]any) { c["aud"] = "other" },
		"that has expired":     func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() },
		"that is an ID token":  func(c map[string]any) { delete(c, "events") },
		"with a nonce":         func(c map[string]any) { c["nonce"] = "n" },
		"about nobody":         func(c map[string]any) { delete(c, "sub"); delete(c, "sid") },
		"that is not numbered": func(c map[string]any) { delete(c, "jti") },
	} {
		if status := o.ended(v.app, alter); status != http.StatusBadRequest || !ann.signedIn() {
			t.Errorf("a logout token %s = %d", name, status)
		}
	}
	if status := o.ended(v.app, func(c map[string]any) { c["sub"] = "u2" }); status != http.StatusOK || !ann.signedIn() || !bob.signedIn() {
		t.Errorf("ann's session as bob's = %d", status)
	}
	if status := o.ended(v.app, nil); status != http.StatusOK {
		t.Errorf("an honest logout token = %d", status)
	}
	if !containsID(ann.get("/").body, "ended") || !again.signedIn() || !bob.signedIn() {
		t.Error("not that session alone has ended")
	}
	ann.signIn(o)
	o.ended(v.app, func(c map[string]any) { delete(c, "sid") })
	if again.signedIn() || !bob.signedIn() {
		t.Error("without the name of a session, not all of that person's have ended")
	}
}
