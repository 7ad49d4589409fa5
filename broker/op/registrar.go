package op

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signet-broker/signet/broker"
	"github.com/signet-broker/signet/broker/web"
	"github.com/signet-broker/signet/providers"
)

// AppStore keeps registered apps. Errors as in broker.Store.
type AppStore interface {
	// AddApp adds an app. broker.ErrNotFound: the initial access token is none any more. broker.ErrConflict:
	// there are as many as there may be.
	AddApp(ctx context.Context, a broker.Registered, by broker.Admission, e broker.Event) error
	// InitialToken returns one that can still register an app.
	InitialToken(ctx context.Context, hash []byte) (broker.InitialToken, error)
	RegisteredApp(ctx context.Context, id string) (broker.Registered, error)
	// UpdateApp replaces what an app of a.Version says and its secret; with anew, people are asked about it
	// again. broker.ErrConflict: it has changed meanwhile.
	UpdateApp(ctx context.Context, a broker.Registered, anew bool, at time.Time, e broker.Event) error
	// RemoveApp removes an app with all that it has got.
	RemoveApp(ctx context.Context, id string, e broker.Event) error
}

const (
	maxMetadata = 64 << 10 // bytes of a registration
	// maxByToken is how many apps one address may register by tokens in an hour.
	maxByToken = 1000
	// maxManaged is what one address may do to one app in a minute.
	maxManaged = 60
)

// Registrar lets programs register apps (RFC 7591) and look after them (RFC 7592).
type Registrar struct {
	*Provider
	Store AppStore
	Terms *Terms
	// Changed is called when an app has changed or is gone, so that this node knows at once.
	Changed func(ctx context.Context)

	open, byToken, managed limiter
}

// Register adds the endpoints.
func (g *Registrar) Register() {
	g.open.most, g.open.period = g.Terms.PerHour, time.Hour
	g.byToken.most, g.byToken.period = maxByToken, time.Hour
	g.managed.most, g.managed.period = maxManaged, time.Minute
	for method, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /register": g.add, "GET /register/{client_id}": g.show, "PUT /register/{client_id}": g.replace, "DELETE /register/{client_id}": g.remove,
	} {
		g.Site.API(method, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				g.refuse(w, r, err)
			}
		})
	}
}

// refuse answers as RFC 7591 §3.2.2 and RFC 7592 §2 say.
func (g *Registrar) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if e := wire(err); e.Status == http.StatusUnauthorized {
		header := `Bearer realm="signet"`
		if e.Code != "" {
			header += `, error="` + e.Code + `"`
		}
		w.Header().Set("WWW-Authenticate", header)
	}
	g.fail(w, r, err)
}

// add is the client registration endpoint.
func (g *Registrar) add(w http.ResponseWriter, r *http.Request) error {
	by, via, err := g.admit(w, r)
	if err != nil {
		return err
	}
	m, err := g.read(w, r)
	if err != nil {
		return err
	}
	if err := g.Terms.check(r.Context(), &m.Metadata); err != nil {
		return err
	}
	token := rand.Text() + rand.Text()
	now := g.Now()
	row := broker.Registered{ID: broker.RegisteredPrefix + rand.Text(), Via: via, TokenHash: sum(token), Created: now}
	secret, err := g.write(&row, &m)
	if err != nil {
		return err
	}
	if _, err := g.Terms.App(&row); err != nil {
		return err
	}
	web.RequestInfo(r.Context()).App = row.ID
	err = g.Store.AddApp(r.Context(), row, by, g.event(r, broker.AppRegistered, row.ID, via))
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return badInitial(err)
	case errors.Is(err, broker.ErrConflict):
		return oauth("access_denied", "as many apps are registered as there may be").at(http.StatusForbidden).because(err)
	case err != nil:
		return err
	}
	return g.answer(w, http.StatusCreated, &row, &m.Metadata, secret, token)
}

func badInitial(err error) *Error {
	return oauth("invalid_token", "the initial access token is not valid").because(err)
}

// admit says whether who asks may register an app, before anything of the request is read.
func (g *Registrar) admit(w http.ResponseWriter, r *http.Request) (by broker.Admission, via string, err error) {
	addr, now := web.RequestInfo(r.Context()).Addr, g.Now()
	if r.Header.Get("Authorization") == "" && !r.URL.Query().Has("access_token") {
		if !g.Terms.Open {
			return by, "", &Error{Status: http.StatusUnauthorized, Err: errors.New("no initial access token")}
		}
		return broker.Admission{Most: g.Terms.Most}, "", g.open.take(callerOf("", addr), now)
	}
	raw, err := g.bearerOf(r)
	if err != nil {
		return by, "", err
	}
	from := callerOf(registering, addr)
	if err := g.guesses.check(from, now); err != nil {
		return by, "", err
	}
	by.TokenHash = sum(raw)
	t, err := g.Store.InitialToken(r.Context(), by.TokenHash)
	if errors.Is(err, broker.ErrNotFound) {
		g.guesses.note(from, now)
		return by, "", badInitial(err)
	} else if err != nil {
		return by, "", err
	}
	return by, t.ID, g.byToken.take(from, now)
}

// registering stands for an app in a limiter while nobody knows which; no app has a space in its id.
const registering = "to register"

// bearerOf returns the token of the header, which is the only place for one here.
func (g *Registrar) bearerOf(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 || r.URL.Query().Has("access_token") {
		return "", oauth("invalid_request", "a token belongs into the header, once")
	}
	scheme, raw, _ := strings.Cut(strings.Join(headers, ""), " ")
	if raw = strings.TrimSpace(raw); !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return "", &Error{Status: http.StatusUnauthorized, Err: errors.New("no bearer token")}
	}
	return raw, nil
}

// sent is what a program sends: metadata, and for an app that is there what says which (RFC 7592 §2.2).
type sent struct {
	Metadata
	id     string
	secret string
}

func (g *Registrar) read(w http.ResponseWriter, r *http.Request) (s sent, err error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return s, &providers.Error{Kind: providers.Invalid, Reason: "encoding_unsupported", Status: http.StatusUnsupportedMediaType, Err: fmt.Errorf("content encoding %.20q", e)}
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return s, badMetadata("the metadata must come as application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMetadata))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return s, badMetadata("the metadata is longer than %d bytes", maxMetadata).at(http.StatusRequestEntityTooLarge).because(err)
	case err != nil:
		return s, badMetadata("the metadata could not be read").because(err)
	}
	if s.Metadata, err = readMetadata(body); err != nil {
		return s, err
	}
	s.id, s.secret, err = identity(body)
	return s, err
}

// write puts metadata into a row, with the secret that goes with it: the one that is there stays as long as it is
// of use. It returns the secret where it is known.
func (g *Registrar) write(row *broker.Registered, s *sent) (secret string, err error) {
	m := &s.Metadata
	if row.Document, err = m.document(nil); err != nil {
		return "", err
	}
	row.Name, row.Notified = m.Name, m.BackchannelURI != ""
	if row.Name == "" {
		row.Name = row.ID
	}
	if !m.hasSecret() {
		row.SecretHash, row.Sealed = nil, nil
		return "", nil
	}
	secret = s.secret // which row.SecretHash is of
	if row.SecretHash == nil || m.TokenAuth == broker.AuthSecretJWT && row.Sealed == nil && secret == "" {
		secret = rand.Text() + rand.Text()
	}
	if secret != "" {
		row.SecretHash = sum(secret)
	}
	switch {
	case m.TokenAuth != broker.AuthSecretJWT:
		row.Sealed = nil
	case secret != "":
		row.Sealed, err = g.Terms.Box.Seal(secretPurpose(row.ID), []byte(secret))
	}
	return secret, err
}

// answer tells what is registered (RFC 7591 §3.2.1): what is in force, not what was sent.
func (g *Registrar) answer(w http.ResponseWriter, status int, row *broker.Registered, m *Metadata, secret, token string) error {
	beside := map[string]any{
		"client_id": row.ID, "client_id_issued_at": row.Created.Unix(),
		"registration_client_uri": g.Site.URL("/register/" + row.ID), "registration_access_token": token,
	}
	if row.SecretHash != nil {
		beside["client_secret_expires_at"] = 0 // never
		if secret != "" {
			beside["client_secret"] = secret
		}
	}
	body, err := m.document(beside)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

func (g *Registrar) event(r *http.Request, kind, id, detail string) broker.Event {
	info := web.RequestInfo(r.Context())
	e := broker.Event{ID: rand.Text(), Time: g.Now(), Type: kind, App: id, RequestID: info.RequestID, Detail: detail}
	if info.Addr.IsValid() {
		e.Addr = info.Addr.String()
	}
	return e
}

func sum(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

func equal(secret string, hash []byte) bool {
	return subtle.ConstantTimeCompare(sum(secret), hash) == 1
}
