// Package demoapp is a small app that signs people in at an OpenID provider. It is what an app of anybody's
// would be: go-oidc, x/oauth2 and the provider's discovery document, and nothing that knows the provider
// from inside. It shows who signed in, what the tokens say and for how long, and what a refresh changes.
//
// Read in this order: app.go, session.go (whose browser), party.go (what the provider publishes), signin.go
// (out and back), tokens.go (which tokens are believed), refresh.go, signout.go, backchannel.go (signed out
// elsewhere); claims.go and pages.go are how it looks.
package demoapp

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Options say what the app is and where people sign in.
type Options struct {
	Name         string // for people; "Demo App"
	URL          string // its own address without a slash at the end; the provider sends people to /callback and /signed-out there, and logout tokens to /backchannel
	Issuer       string // the OpenID provider's, exactly
	ClientID     string
	ClientSecret string // "": a public client
	Color        string // teal or plum; "teal"
	Ways         []Way  // shortcuts past the provider's own choice
	Other        *Link  // another app of the same provider
	Now          func() time.Time
	Log          *slog.Logger
}

// Way is one of the provider's upstreams.
type Way struct {
	ID, Name string
	About    string
	Accounts []Account // to try it with
}

// Account is one that everybody may know.
type Account struct{ Username, Password string }

// Link leads to another app.
type Link struct{ Name, URL string }

// App is the app. It is an http.Handler.
type App struct {
	opts     Options
	cookie   string
	mux      *http.ServeMux
	sessions sessions
	client   *http.Client

	mu    sync.Mutex
	known *party // nil until discovery has succeeded once
}

// New makes an app. The provider need not be there yet: it is asked at the first sign-in.
func New(o Options) (*App, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, err
	case u.Host == "" || o.Issuer == "" || o.ClientID == "":
		return nil, errors.New("demo app: URL, Issuer and ClientID are required")
	}
	o.Name, o.Color = cmp.Or(o.Name, "Demo App"), cmp.Or(o.Color, "teal")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a := &App{
		opts:   o,
		cookie: "demoapp-" + cmp.Or(u.Port(), "session"), // browsers share cookies among the ports of a host
		mux:    http.NewServeMux(),
		client: &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	a.sessions.now = o.Now
	a.page("GET /{$}", a.home)
	a.page("GET /login", a.signIn)
	a.page("GET /callback", a.callback)
	a.page("POST /refresh", a.refresh)
	a.page("POST /logout", a.signOut)
	a.page("GET /signed-out", a.signedOut)
	a.mux.HandleFunc("POST /backchannel", a.backchannel)
	a.mux.HandleFunc("GET /app.css", style)
	a.page("/", func(http.ResponseWriter, *http.Request) error {
		return &failure{Status: http.StatusNotFound, Title: "There is nothing here", Text: "The address does not belong to this app."}
	})
	return a, nil
}

// failure is an error that a page tells.
type failure struct {
	Status int
	Title  string
	Text   string // one plain sentence
	Code   string // the provider's error, or ours
	Detail string // its error_description
	Again  bool   // signing in again may help
	Err    error  // for the log
}

func (f *failure) Error() string {
	if f.Err == nil {
		return f.Title
	}
	return f.Title + ": " + f.Err.Error()
}

func (f *failure) Unwrap() error { return f.Err }

// refused is an answer that is not believed.
func refused(code, text string, err error) *failure {
	return &failure{Status: http.StatusBadRequest, Title: "Sign-in refused", Text: text, Code: code, Again: true, Err: err}
}

// page registers a handler whose error becomes a page.
func (a *App) page(pattern string, h func(http.ResponseWriter, *http.Request) error) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{Status: http.StatusInternalServerError, Title: "Something went wrong", Text: "The app could not answer.", Err: err}
		}
		if f.Err != nil {
			a.opts.Log.InfoContext(r.Context(), "demo app", "app", a.opts.Name, "endpoint", r.Pattern, "error", f.Error())
		}
		a.show(w, f.Status, "failure", f)
	})
}

// ServeHTTP implements http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	// Another page, also one on another port of this host, must not press the buttons (CSRF).
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		a.show(w, http.StatusForbidden, "failure", &failure{Title: "Not from this app", Text: "The form was sent by another page."})
		return
	}
	a.mux.ServeHTTP(w, r)
}

// way returns a shortcut by its id.
func (a *App) way(id string) bool {
	return slices.ContainsFunc(a.opts.Ways, func(w Way) bool { return w.ID == id })
}
