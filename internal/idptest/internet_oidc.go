package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// on makes a fake of one of the well known providers, at its own address.
func (n *Internet) on(issuer string, opts OIDCOptions) *OIDC {
	f := newOIDC(opts)
	f.Issuer, f.browser = issuer, n.Client()
	return f
}

func host(issuer string) string { return strings.TrimPrefix(issuer, "https://") }

// Google puts accounts.google.com on n. Whoever has an address at globex.example is in its Google Workspace.
func (n *Internet) Google(opts OIDCOptions) *OIDC {
	f := n.on("https://accounts.google.com", opts)
	f.manner = OIDCRow{
		Discovery: func(_ *OIDC, doc map[string]any) {
			doc["token_endpoint"], doc["jwks_uri"] = "https://oauth2.googleapis.com/token", "https://www.googleapis.com/jwks"
			doc["userinfo_endpoint"] = "https://openidconnect.googleapis.com/userinfo"
			delete(doc, "end_session_endpoint")
		},
		Claims: func(f *OIDC, c map[string]any) {
			for _, name := range []string{"sid", "acr", "amr", "auth_time", "groups", "preferred_username"} {
				delete(c, name)
			}
			c["azp"] = f.ClientID()
			if email, _ := c["email"].(string); strings.HasSuffix(email, "@globex.example") {
				c["hd"] = "globex.example"
			}
		},
	}
	for _, h := range []string{"accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com"} {
		n.Serve(h, f.handler())
	}
	return f
}

// AppleClient is what Apple gave to the one who signs people in.
type AppleClient struct {
	TeamID, KeyID string
	Key           *ecdsa.PrivateKey
}

// Apple puts appleid.apple.com on n.
func (n *Internet) Apple(opts OIDCOptions) (*OIDC, *AppleClient, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	client := &AppleClient{TeamID: "TEAM123456", KeyID: "KEYID98765", Key: key}
	f := n.on("https://appleid.apple.com", opts)
	f.secret = func(secret string) bool { return client.made(f, secret) }
	f.manner = OIDCRow{
		Discovery: func(_ *OIDC, doc map[string]any) {
			doc["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
			for _, name := range []string{"userinfo_endpoint", "end_session_endpoint", "authorization_response_iss_parameter_supported"} {
				delete(doc, name)
			}
		},
		Claims: func(_ *OIDC, c map[string]any) {
			for _, name := range []string{"sid", "acr", "amr", "groups", "preferred_username", "name"} {
				delete(c, name)
			}
			c["nonce_supported"], c["is_private_email"] = true, "false"
			c["email_verified"] = fmt.Sprint(c["email_verified"])
		},
		Callback: func(_ *OIDC, v url.Values) { v.Del("iss") },
	}
	f.first = func(p Person) url.Values {
		first, last, _ := strings.Cut(p.Name, " ")
		user, _ := json.Marshal(map[string]any{"name": map[string]string{"firstName": first, "lastName": last}, "email": p.Email})
		return url.Values{"user": {string(user)}}
	}
	n.Serve(host(f.Issuer), f.handler())
	return f, client, nil
}

// made tells whether a client secret is a JWT that the client has made and that has not ended.
func (a *AppleClient) made(f *OIDC, secret string) bool {
	jws, err := jose.ParseSignedCompact(secret, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || jws.Signatures[0].Protected.KeyID != a.KeyID {
		return false
	}
	payload, err := jws.Verify(crypto.PublicKey(a.Key.Public()))
	var c struct {
		Iss, Sub, Aud string
		Iat, Exp      int64
	}
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return false
	}
	now := f.options.Now().Unix()
	return c.Iss == a.TeamID && c.Sub == f.ClientID() && c.Aud == f.Issuer && c.Iat <= now && c.Exp > now && c.Exp <= now+15777000
}

// Tenants of the fake Microsoft: that of globex.example, another one, and that of personal accounts.
const (
	GlobexTenant    = "11111111-aaaa-4bbb-8ccc-0123456789ab"
	OtherTenant     = "22222222-aaaa-4bbb-8ccc-0123456789ab"
	ConsumersTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

const microsoft = "https://login.microsoftonline.com"

// Microsoft puts login.microsoftonline.com on n, with one tenant for each: whoever has an address at
// globex.example is of GlobexTenant, everybody else of OtherTenant.
func (n *Internet) Microsoft(opts OIDCOptions) *OIDC {
	f := n.on(microsoft, opts)
	f.manner = OIDCRow{
		Claims: func(_ *OIDC, c map[string]any) {
			for _, name := range []string{"acr", "amr", "auth_time", "email_verified", "at_hash"} {
				delete(c, name)
			}
			tenant := OtherTenant
			if email, _ := c["email"].(string); strings.HasSuffix(email, "@globex.example") {
				tenant = GlobexTenant
			}
			c["iss"], c["tid"], c["oid"], c["ver"] = IssuerOfTenant(tenant), tenant, ObjectID(fmt.Sprint(c["sub"])), "2.0"
		},
		Callback: func(_ *OIDC, v url.Values) { v.Del("iss") },
	}
	mux := http.NewServeMux()
	mux.Handle("/", f.handler())
	mux.HandleFunc("GET /{tenant}/v2.0"+discoveryPath, func(w http.ResponseWriter, r *http.Request) {
		doc := f.discoveryDocument()
		delete(doc, "authorization_response_iss_parameter_supported")
		switch tenant := r.PathValue("tenant"); tenant {
		case "common", "organizations":
			doc["issuer"] = IssuerOfTenant("{tenantid}")
		case "consumers":
			doc["issuer"] = IssuerOfTenant(ConsumersTenant)
		case "globex.example", GlobexTenant:
			doc["issuer"] = IssuerOfTenant(GlobexTenant)
		default:
			http.NotFound(w, r)
			return
		}
		if alter := f.now().Discovery; alter != nil {
			alter(f, doc)
		}
		writeJSON(w, http.StatusOK, doc)
	})
	n.Serve(host(f.Issuer), mux)
	return f
}

// IssuerOfTenant is the iss of a Microsoft tenant's tokens.
func IssuerOfTenant(tenant string) string { return microsoft + "/" + tenant + "/v2.0" }

// ObjectID is what Microsoft calls somebody.
func ObjectID(username string) string {
	sum := sha256.Sum256([]byte(username))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
